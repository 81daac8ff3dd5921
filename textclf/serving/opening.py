"""Which version is meant, and its folder as TensorFlow reads it: on the disk, or in memory after it was checked."""

import shlex
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import tensorflow as tf

from textclf.errors import ExportError, did_you_mean, listing
from textclf.runs.files import is_run
from textclf.savedmodel.files import MANIFEST_FILE, MANIFEST_SIGNATURE_FILE
from textclf.savedmodel.manifest import entry_of
from textclf.store.contents import File, folder_files
from textclf.store.keys import read_encryption_key
from textclf.store.sealing import sealed_files
from textclf.store.signing import check_contents
from textclf.store.trust import Demand, demands
from textclf.store.versions import SEALED, sealed_versions, versions


def find_version(path: Path, *, sealed: bool = False) -> Path:
    """Return the path itself if it is a version, or its newest version: a folder, or the file that it is sealed in.

    Args:
        path: A version or a model.
        sealed: Whether a sealed version can be opened; of one that is there in both ways it is then preferred.

    Raises:
        ExportError: There is none, or the newest is sealed and cannot be opened.
    """
    if (path / "saved_model.pb").is_file() or (path.name.endswith(SEALED) and path.is_file()):
        return path
    plain, closed = versions(path), sealed_versions(path)
    newest = max([*plain, *closed], default=None)
    if newest is not None and newest in closed and (sealed or newest not in plain):
        return path / f"{newest}{SEALED}"
    if newest is not None:
        return path / str(newest)
    if not path.is_dir():
        raise ExportError(f"No export at '{path}'. {_neighbours(path)}")
    if is_run(path):
        command = shlex.join(["textclf", "export", str(path)])
        raise ExportError(f"'{path}' is a run, not an export. Export it with: {command}")
    raise ExportError(f"'{path}' holds neither a SavedModel nor numbered versions of one.")


@contextmanager
def opened(
    version: Path, key: bytes | str | Path | None = None, trusted_keys: Iterable[str | Path] | None = None
) -> Iterator[str]:
    """Give the folder of a version, as a path for TensorFlow, which is done with it when the block ends.

    A version that is sealed, or whose signature is asked for, is read once, into TensorFlow's file system in memory;
    what was read is checked there, and is all that TensorFlow gets to see. When the block ends, it is removed.

    Args:
        version: The version's folder, or its sealed file.
        key: The encryption key, or its file.
        trusted_keys: Files of public keys that the caller trusts; None if he asks for no signature.

    Raises:
        ConfigError: What says whom to trust is not as expected.
        ExportError: The version cannot be opened, or does not meet what is asked of its signature.
    """
    asked = demands(version, trusted_keys)
    is_sealed = version.name.endswith(SEALED)
    if not asked and not is_sealed:
        yield str(version)
        return
    # TensorFlow cannot remove a folder at the root of this file system.
    folder = f"ram://textclf/{uuid.uuid4().hex}"
    tf.io.gfile.makedirs(folder)
    try:
        files = sealed_files(version, _key(version, key)) if is_sealed else folder_files(version)
        _read_into(folder, files, str(version), asked)
        yield folder
    finally:
        tf.io.gfile.rmtree(folder)


def _key(version: Path, key: bytes | str | Path | None) -> bytes:
    if key is None:
        others = versions(version.parent)
        hint = f" Versions that are not sealed: {listing(map(str, others))}." if others else ""
        raise ExportError(f"'{version}' is sealed. Name the file of its key: --key FILE, or key=… in Python.{hint}")
    return key if isinstance(key, bytes) else read_encryption_key(key)


def _read_into(folder: str, files: Iterable[File], what: str, asked: Iterable[Demand]) -> None:
    """Copy files into a folder of TensorFlow's, and check what was copied."""
    found: dict[str, dict[str, Any]] = {}
    kept: dict[str, bytes] = {}
    for name, file in files:
        path = f"{folder}/{name}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "wb") as copy:
            entry = entry_of(_Copying(file, copy))
        if name in (MANIFEST_FILE, MANIFEST_SIGNATURE_FILE):
            with tf.io.gfile.GFile(path, "rb") as copied:
                kept[name] = copied.read()
        else:
            found[name] = entry
    for demand in asked:
        check_contents(what, found, kept, demand.keys)


class _Copying:
    """A file that copies into another one what is read of it."""

    def __init__(self, file: IO[bytes], copy: Any) -> None:
        self._file, self._copy = file, copy

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self._copy.write(block)
        return block


def _neighbours(path: Path) -> str:
    """Return which exports stand beside a path that is none, or how to make one."""
    beside = sorted(other.name for other in path.parent.glob("*/") if versions(other))
    if not beside:
        there = Path("saved_models") / path.name
        hint = f" Did you mean '{there}'?" if versions(there) else ""
        return f"`textclf export RUN` makes one under saved_models/.{hint}"
    return f"In '{path.parent}' there are {listing(beside)}.{did_you_mean(path.name, beside)}"
