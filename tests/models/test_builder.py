"""Models by name, and what broken model files get."""

import zipfile
from pathlib import Path

import pytest

from textclf.config.models import MODELS
from textclf.errors import ConfigError, RunError
from textclf.models.base import TextModel
from textclf.models.builder import load_model, model_class, save_model
from textclf.models.textcnn import TextCNN


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(TextCNN(10, 2, {"embedding_dim": 4, "num_filters": 2}), path)
    return path.read_bytes()


def test_every_registered_model_is_there() -> None:
    for name in MODELS:
        assert issubclass(model_class(name), TextModel)
    with pytest.raises(ConfigError, match="Did you mean 'textcnn'"):
        model_class("textcn")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Expected a model at '.*model\.keras', found none"):
        load_model(tmp_path / "model.keras", "textcnn")


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file(kept: float, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(RunError, match=r"The model '.*model\.keras' cannot be read: .* Train the run again"):
        load_model(path, "textcnn")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metadata.json"])
@pytest.mark.parametrize("replacement", [None, b"", b"{}", b"junk"])
def test_a_broken_or_missing_part(name: str, replacement: bytes | None, content: bytes, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.keras", tmp_path / "model.keras"
    whole.write_bytes(content)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for part in source.namelist():
            if part != name:
                target.writestr(part, source.read(part))
            elif replacement is not None:
                target.writestr(part, replacement)
    if name == "metadata.json":  # Keras does not need it
        assert isinstance(load_model(path, "textcnn"), TextCNN)
        return
    with pytest.raises(RunError, match="cannot be read"):
        load_model(path, "textcnn")


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "model.keras").mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        load_model(tmp_path / "model.keras", "textcnn")


def test_a_model_of_another_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"Expected a model 'linear' at '.*', found a TextCNN"):
        load_model(path, "linear")
