"""The manifest of a version: the SHA-256 and the size of every file, so that an altered byte is found."""

import hashlib
import json
from pathlib import Path
from typing import Any

from textclf.errors import refusal
from textclf.savedmodel.files import MANIFEST_FILE, MANIFEST_SIGNATURE_FILE
from textclf.writing import replacing

FORMAT = 1
_UNLISTED = {MANIFEST_FILE, MANIFEST_SIGNATURE_FILE}


def write_manifest(directory: str | Path) -> None:
    """Write `assets.extra/manifest.json` of all files of a version, as the last thing that is written into it."""
    directory = Path(directory)
    files = {name: {"sha256": _sha256(path), "bytes": path.stat().st_size} for name, path in _files(directory).items()}
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
        ["'saved_model.pb' was altered: its SHA-256 is ff709c62\u2026, the manifest says eef93e1d\u2026."]
    """
    directory = Path(directory)
    try:
        listed = _listed(directory / MANIFEST_FILE)
    except FileNotFoundError:
        return [f"'{MANIFEST_FILE}' is missing: nothing says what the files were when they were exported."]
    except Exception as error:  # whatever JSON can hold
        return [f"'{MANIFEST_FILE}' cannot be read ({type(error).__name__}: {error}). Export the run again."]
    found = _files(directory)
    problems = {name: _problem(name, path, listed[name]) for name, path in found.items() if name in listed}
    problems |= {name: f"'{name}' is missing; the manifest lists it." for name in listed.keys() - found.keys()}
    problems |= {name: f"'{name}' is not in the manifest." for name in found.keys() - listed.keys()}
    return [problem for _, problem in sorted(problems.items()) if problem]


def _files(directory: Path) -> dict[str, Path]:
    """Return every file by its relative POSIX path, in their order, but for those that no manifest lists."""
    every = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if not path.is_dir()}
    return {name: every[name] for name in sorted(every.keys() - _UNLISTED)}


def _listed(path: Path) -> dict[str, tuple[str, int]]:
    manifest: Any = json.loads(path.read_text(encoding="utf-8"))
    if manifest["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, got {manifest['format']!r}")
    return {name: (str(entry["sha256"]), int(entry["bytes"])) for name, entry in manifest["files"].items()}


def _problem(name: str, path: Path, listed: tuple[str, int]) -> str:
    """Return what is wrong with a listed file; an empty string if nothing is."""
    sha256, size = listed
    try:
        found, digest = path.stat().st_size, _sha256(path)
    except OSError as error:
        return f"'{name}' cannot be read: {refusal(error)}."
    if found != size:
        return f"'{name}' was altered: it has {found} bytes, the manifest says {size}."
    if digest != sha256:
        return f"'{name}' was altered: its SHA-256 is {digest[:8]}\u2026, the manifest says {sha256[:8]}\u2026."
    return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
