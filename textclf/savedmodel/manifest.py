"""A version's manifest: the SHA-256 of each of its files, so that damage and changes are found."""

import hashlib
import json
from pathlib import Path
from typing import Any

from textclf.writing import replacing

MANIFEST, SIGNATURE = "assets.extra/manifest.json", "assets.extra/manifest.sig"


def write_manifest(directory: Path) -> None:
    """Write `assets.extra/manifest.json`: size and SHA-256 of every file but itself and its signature."""
    text = json.dumps({"format": 1, "files": digests(directory)}, ensure_ascii=False, indent=1)
    with replacing(directory / MANIFEST) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def check_manifest(directory: Path) -> list[str]:
    """Return how a version's files differ from its manifest, a line each; none if they do not."""
    try:
        expected = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["files"]
        dict(expected)
    except FileNotFoundError:
        return [f"{MANIFEST} is missing"]
    except (ValueError, KeyError, TypeError):  # no UTF-8, no JSON, another one
        return [f"{MANIFEST} is damaged"]
    return differences(expected, digests(directory))


def digests(directory: Path) -> dict[str, dict[str, Any]]:
    """Return `{"sha256": hex, "bytes": size}` of each file below a folder but its manifest, by sorted POSIX path."""
    paths = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    return {name: digest(paths[name]) for name in sorted(paths) if name not in (MANIFEST, SIGNATURE)}


def digest(path: Path) -> dict[str, Any]:
    """Return the SHA-256 of a file, and its size."""
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": file.tell()}


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return what is missing, changed or not expected, a line each.

    Example:
        >>> differences({"a": 1, "b": 1}, {"b": 2, "c": 1})
        ['a is missing', 'b was changed', 'c is not in the manifest']
    """
    lines = {name: f"{name} is missing" for name in expected.keys() - found.keys()}
    lines |= {name: f"{name} is not in the manifest" for name in found.keys() - expected.keys()}
    lines |= {name: f"{name} was changed" for name in expected.keys() & found.keys() if expected[name] != found[name]}
    return [lines[name] for name in sorted(lines)]
