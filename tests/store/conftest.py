"""Versions of a few bytes each, published as real ones are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from textclf.savedmodel.manifest import write_manifest
from textclf.store.lifecycle import publish_version

Publish = Callable[..., Path]


def write_version(folder: Path, content: str, manifest: bool = True) -> Path:
    """Write what looks like a version to all that does not load it."""
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "variables").mkdir()
    (folder / "saved_model.pb").write_text(content, encoding="utf-8")
    (folder / "variables/variables.index").write_text(content * 2, encoding="utf-8")
    (folder / "assets.extra/labels.json").write_text('["a", "b"]', encoding="utf-8")
    scores = {"scores": {"test": {"accuracy": 0.875, "macro": {"f1": 0.75}}}, "data_fingerprint": "0123456789ab" * 5}
    (folder / "assets.extra/scores.json").write_text(json.dumps(scores), encoding="utf-8")
    if manifest:
        write_manifest(folder)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The folder of the served models."""
    path = tmp_path / "saved_models"
    path.mkdir()
    return path


@pytest.fixture
def publish(base: Path) -> Publish:
    """Publish the next version of a model, and return its folder."""

    def publish(name: str = "m", content: str = "graph", manifest: bool = True) -> Path:
        (base / name).mkdir(exist_ok=True)
        return publish_version(write_version(base / name / ".unfinished-x", content, manifest), base / name)

    return publish


@pytest.fixture
def three(publish: Publish) -> list[Path]:
    """Versions 1, 2 and 3 of the model `m`."""
    return [publish(content=f"graph {number}") for number in (1, 2, 3)]
