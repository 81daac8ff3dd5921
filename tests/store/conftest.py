"""Versions of a few bytes each, published as real ones are."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from textclf.savedmodel.manifest import write_manifest
from textclf.store.keys import new_signing_key
from textclf.store.lifecycle import publish_version

Publish = Callable[..., Path]
KEY = bytes(range(32))


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


def write_small_version(folder: Path) -> Path:
    """Write what looks like a version, with its manifest."""
    files = {
        "saved_model.pb": b"graph" * 9,
        "variables/variables.index": b"",
        "variables/variables.data-00000-of-00001": bytes(range(256)) * 3,
        "assets.extra/labels.json": '["登录"]'.encode(),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_manifest(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file's content by its name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """Version 3 of `tiny`, which is no real one."""
    return write_small_version(tmp_path / "base/tiny/3")


@pytest.fixture
def real(exported: Path, tmp_path: Path) -> Path:
    """A copy of a real export with its manifest, as version 3 of `tiny`."""
    folder = shutil.copytree(exported, tmp_path / "base/tiny/3")
    write_manifest(folder)
    return folder


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a private key; that of its public one is beside it, with `.pub` behind its name."""
    path = tmp_path_factory.mktemp("keys") / "release.key"
    new_signing_key(path)
    return path


@pytest.fixture(scope="session")
def other_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `pair`, another one."""
    path = tmp_path_factory.mktemp("keys") / "other.key"
    new_signing_key(path)
    return path


@pytest.fixture
def disk_key(tmp_path: Path) -> Path:
    """The file of `KEY`."""
    path = tmp_path / "disk.key"
    path.touch(mode=0o600)
    path.write_bytes(base64.b64encode(KEY))
    return path
