"""What must be set before TensorFlow starts, and where the examples in docstrings run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

NEED_A_RUN = ("textclf.serving.classifier.load", "textclf.serving.evaluate.evaluate", "textclf.serving.export.export")
"""Examples that begin with `runs/quickstart` and `saved_models/quickstart`, as `make quickstart` leaves them."""


def pytest_configure() -> None:
    """Give TensorFlow two logical CPUs, which stand for two devices; it takes them only before anything has run."""
    from textclf.startup import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run and the export of a linear model of the sample data."""
    import textclf

    folder = tmp_path_factory.mktemp("quickstart")
    sources = [f"data.{split}=sample:{split}" for split in ("train", "dev", "test")]
    config = textclf.load_config(None, [*sources, "model=linear", "name=quickstart"])
    run = textclf.train(config, folder / "runs/quickstart", report=False)
    textclf.export(run, base=folder / "saved_models")
    return folder


@pytest.fixture(autouse=True)
def _folder_of_examples(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run each example of the package in a folder that it may write into."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    before = Path.cwd()
    needs_run = request.node.name in NEED_A_RUN
    os.chdir(request.getfixturevalue("quickstart") if needs_run else tmp_path_factory.mktemp("example"))
    yield
    os.chdir(before)
