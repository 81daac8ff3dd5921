"""Files by their SHA-256: what a folder holds, and how that differs from what it should."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textclf.savedmodel.manifest import entry_of
from textclf.store.contents import entries, folder_files


def digests(path: Path) -> dict[str, Any]:
    """Return the SHA-256 and the size of each file below a folder, by POSIX path; of a file, under the name ""."""
    if path.is_file():
        with path.open("rb") as file:
            return {"": entry_of(file)}
    return entries(folder_files(path))


def below(files: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the files below a place, with names as seen from there.

    Example:
        >>> below({"1/a": "…", "12/a": "…", "log": "…"}, "1"), below({"log": "…"}, "log")
        ({'a': '…'}, {'': '…'})
    """
    if place in files:
        return {"": files[place]}
    return {name.removeprefix(f"{place}/"): its for name, its in files.items() if name.startswith(f"{place}/")}


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return which files are missing, altered or too many, a line each.

    Example:
        >>> differences({"a": 1, "b": 1}, {"b": 2, "c": 1})
        ['a is missing', 'b was altered', 'c is not expected']
    """
    lines = {name: f"{name} is missing" for name in expected.keys() - found.keys()}
    lines |= {name: f"{name} is not expected" for name in found.keys() - expected.keys()}
    lines |= {name: f"{name} was altered" for name in expected.keys() & found.keys() if expected[name] != found[name]}
    return [lines[name] for name in sorted(lines)]
