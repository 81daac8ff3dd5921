"""Versions to sign and to seal: a few bytes under the names of a SavedModel, and a real one."""

import shutil
from pathlib import Path

import pytest

from textclf.savedmodel.manifest import write_manifest
from textclf.store.keys import new_signing_key

KEY = bytes(range(32))


def write_version(folder: Path) -> Path:
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
    return write_version(tmp_path / "base/tiny/3")


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
    import base64

    path = tmp_path / "disk.key"
    path.touch(mode=0o600)
    path.write_bytes(base64.b64encode(KEY))
    return path
