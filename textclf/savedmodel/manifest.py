"""What a version holds, file by file: `assets.extra/manifest.json`, written last and checked before use."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

FOLDER = "assets.extra"
MANIFEST, SIGNATURE = f"{FOLDER}/manifest.json", f"{FOLDER}/manifest.sig"
"""The manifest and the signature over its bytes, from a version's folder."""

FORMAT = 1
_BLOCK = 1 << 20


def write_manifest(directory: Path) -> None:
    """Write down the SHA-256 and the size of every file of a version; call it when all else is written."""
    files = {name: _entry(directory / name) for name in _names(directory)}
    text = json.dumps({"format": FORMAT, "files": files}, ensure_ascii=False, indent=1)
    (directory / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def check_manifest(directory: Path) -> list[str]:
    """Return what of a version is not as its manifest says, a sentence without its full stop each."""
    path = directory / MANIFEST
    if not path.is_file():
        return [f"it holds no {MANIFEST}"]
    return differences(path.read_bytes(), {name: _entry(directory / name) for name in _names(directory)})


def differences(manifest: bytes, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what of the files found is not as a manifest's bytes say.

    Args:
        manifest: What `manifest.json` holds.
        found: `{"sha256": …, "bytes": …}` of every file but the manifest and its signature, by name.
    """
    try:
        values = json.loads(manifest)
        expected = dict(values["files"])
        known = values["format"] == FORMAT
    except (ValueError, TypeError, KeyError):
        return [f"{MANIFEST} cannot be read"]
    if not known:
        return [f"{MANIFEST} is of another format than {FORMAT}"]
    missing = [f"{name} is missing" for name in expected if name not in found]
    more = [f"{name} is not in the manifest" for name in found if name not in expected]
    altered = [f"{name} was altered" for name, entry in found.items() if name in expected and entry != expected[name]]
    return missing + more + altered


class Readable(Protocol):
    """What can be read in blocks, as a file can."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...


def entry_of(file: Readable) -> dict[str, str | int]:
    """Return a manifest's entry for a file, read to its end."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size}


def _entry(path: Path) -> dict[str, str | int]:
    with path.open("rb") as file:
        return entry_of(file)


def _names(directory: Path) -> Iterator[str]:
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not path.is_dir() and name not in (MANIFEST, SIGNATURE):
            yield name
