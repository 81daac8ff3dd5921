"""Versions as folders: which there are, and how a new one appears whole."""

import itertools
from pathlib import Path

SEALED = ".sealed"
"""What the name of a version ends in that is encrypted, as a file in the place of its folder."""


def versions(model_path: str | Path) -> list[int]:
    """Return the versions of a served model in ascending order; empty if there is none.

    A version's folder is called as Python writes its number. TensorFlow Serving takes `0007` for 7 as well; textclf
    never writes such a name and does not load it, but `export` counts on from it, so that a server goes on to what
    is exported next.
    """
    path = Path(model_path)
    if not path.is_dir():
        return []
    numbers = (version_number(entry.name) for entry in path.iterdir() if entry.is_dir())
    return sorted(number for number in numbers if number is not None)


def sealed_versions(model_path: str | Path) -> list[int]:
    """Return the versions of a served model that are there encrypted, in ascending order; empty if there is none."""
    path = Path(model_path)
    if not path.is_dir():
        return []
    names = (entry.name.removesuffix(SEALED) for entry in path.glob(f"*{SEALED}") if entry.is_file())
    return sorted(number for number in map(version_number, names) if number is not None)


def version_number(name: str) -> int | None:
    """Return the version that a folder of this name holds; None if it is no version's name.

    Example:
        >>> version_number("7"), version_number("0007"), version_number("٧"), version_number("best")
        (7, None, None, None)
    """
    return int(name) if name.isdecimal() and name == str(int(name)) else None


def publish(unfinished: Path, model_path: Path) -> Path:
    """Rename to the next free version; if another export takes it first, to the one after."""
    names = (entry.name.removesuffix(SEALED) for entry in model_path.iterdir())
    taken = (int(name) for name in names if name.isdecimal())
    for number in itertools.count(max(taken, default=0) + 1):
        target = model_path / str(number)
        try:
            unfinished.rename(target)  # fails if the target holds files, or is one
        except OSError:
            if not target.exists():
                raise
        else:
            break
    return target
