"""The manifest of a version: the SHA-256 and the size of every file, written last and checked before use."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from textclf.errors import refusal
from textclf.savedmodel.files import MANIFEST_FILE, MANIFEST_SIGNATURE_FILE
from textclf.writing import replacing

FORMAT = 1
_UNLISTED = (MANIFEST_FILE, MANIFEST_SIGNATURE_FILE)
_BLOCK = 1 << 20


class Readable(Protocol):
    """What can be read in blocks, as a file can."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...


def write_manifest(directory: str | Path) -> None:
    """Write `assets.extra/manifest.json` of all files of a version, as the last thing that is written into it."""
    directory = Path(directory)
    files = {name: _entry(directory / name) for name in _names(directory)}
    text = json.dumps({"format": FORMAT, "files": files}, ensure_ascii=False, indent=1)
    path = directory / MANIFEST_FILE
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8", newline="\n")


def check_manifest(directory: str | Path) -> list[str]:
    """Compare a version's files with its manifest.

    Returns:
        What is wrong, a sentence a file, in the order of their names: altered, missing or unlisted; empty if nothing.

    Example:
        >>> folder = Path("version")
        >>> folder.mkdir()
        >>> _ = (folder / "saved_model.pb").write_bytes(b"graph")
        >>> write_manifest(folder)
        >>> check_manifest(folder)
        []
        >>> _ = (folder / "saved_model.pb").write_bytes(b"grapf")
        >>> check_manifest(folder)
        ["'saved_model.pb' was altered: its SHA-256 is ff709c62…, the manifest says eef93e1d…."]
    """
    directory = Path(directory)
    try:
        manifest = (directory / MANIFEST_FILE).read_bytes()
    except FileNotFoundError:
        return [f"'{MANIFEST_FILE}' is missing: nothing says what the files were when they were exported."]
    except OSError as error:
        return [f"'{MANIFEST_FILE}' cannot be read: {refusal(error)}."]
    found, unreadable = {}, {}
    for name in _names(directory):
        try:
            found[name] = _entry(directory / name)
        except OSError as error:
            unreadable[name] = f"'{name}' cannot be read: {refusal(error)}."
    problems = _problems(manifest, found)
    # A manifest lists what it misses among the files found; what else cannot be read is one file too many.
    for name, problem in unreadable.items():
        problems[name] = problem if name in problems else f"'{name}' is not in the manifest."
    return [problem for _, problem in sorted(problems.items())]


def differences(manifest: bytes, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what of the files found is not as a manifest's bytes say, as `check_manifest` does.

    Args:
        manifest: What `manifest.json` holds.
        found: `{"sha256": …, "bytes": …}` of every file but the manifest and its signature, by name.
    """
    return [problem for _, problem in sorted(_problems(manifest, found).items())]


def alterations(manifest: bytes, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what `differences` does, but nothing of files that were not looked at."""
    return [problem for name, problem in sorted(_problems(manifest, found).items()) if name in {"", *found}]


def entry_of(file: Readable) -> dict[str, str | int]:
    """Return a manifest's entry for a file, read to its end."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size}


def _problems(manifest: bytes, found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    try:
        values: Any = json.loads(manifest)
        if values["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {values['format']!r}")
        listed = {name: (str(entry["sha256"]), int(entry["bytes"])) for name, entry in values["files"].items()}
    except Exception as error:  # whatever JSON can hold
        return {"": f"'{MANIFEST_FILE}' cannot be read ({type(error).__name__}: {error}). Export the run again."}
    problems = {name: f"'{name}' is missing; the manifest lists it." for name in listed.keys() - found.keys()}
    problems |= {name: f"'{name}' is not in the manifest." for name in found.keys() - listed.keys()}
    for name in found.keys() & listed.keys():
        digest, size = listed[name]
        if found[name]["bytes"] != size:
            problems[name] = f"'{name}' was altered: it has {found[name]['bytes']} bytes, the manifest says {size}."
        elif found[name]["sha256"] != digest:
            now = found[name]["sha256"]
            problems[name] = f"'{name}' was altered: its SHA-256 is {now[:8]}…, the manifest says {digest[:8]}…."
    return problems


def _entry(path: Path) -> dict[str, str | int]:
    with path.open("rb") as file:
        return entry_of(file)


def _names(directory: Path) -> Iterator[str]:
    """Yield every file by its relative POSIX path, in their order, but for those that no manifest lists."""
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in _UNLISTED:
            yield name
