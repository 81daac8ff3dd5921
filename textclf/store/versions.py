"""Versions as folders: which there are in which state, and how a new one appears whole."""

import itertools
import shlex
from pathlib import Path

from textclf.errors import ExportError, did_you_mean, listing
from textclf.store import log
from textclf.writing import UNFINISHED

RETIRED, SEALED = ".retired", ".sealed"
"""The folder of the versions that no server sees, and how the files end that hold an encrypted one."""
REMOVED = ".removed-"
"""How the name begins of a folder that a server no longer sees and that is about to go."""


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


def version_number(name: str) -> int | None:
    """Return the version that a folder of this name holds; None if it is no version's name.

    Example:
        >>> version_number("7"), version_number("0007"), version_number("٧"), version_number("best")
        (7, None, None, None)
    """
    return int(name) if name.isdecimal() and name == str(int(name)) else None


def retired_versions(model_path: str | Path) -> list[int]:
    """Return the versions that were taken from the server's sight, in ascending order."""
    return versions(Path(model_path) / RETIRED)


def sealed_versions(model_path: str | Path) -> list[int]:
    """Return the versions that are there as an encrypted file, in ascending order."""
    names = (path.name.removesuffix(SEALED) for path in Path(model_path).glob(f"*{SEALED}") if path.is_file())
    return sorted(number for number in map(version_number, names) if number is not None)


def publish(unfinished: Path, model_path: Path) -> Path:
    """Rename to the next version that never was; if another export takes it first, to the one after."""
    for number in itertools.count(max(_taken(model_path), default=0) + 1):
        target = model_path / str(number)
        try:
            unfinished.rename(target)  # fails if the target holds files, or is one
        except OSError:
            if not target.exists():
                raise
        else:
            break
    return target


def find_model(base: str | Path, name: str) -> Path:
    """Return the folder of a served model.

    Raises:
        ExportError: There is none of this name; the message says which there are.
    """
    found = models(base)
    if name in found:
        return Path(base) / name
    if not found:
        raise no_models(base)
    hint = did_you_mean(Path(name).name, found)  # who has just exported has a path in mind
    raise ExportError(f"No model '{name}' in '{base}'. There are {listing(found)}.{hint}")


def no_models(base: str | Path) -> ExportError:
    """Return the error of a base path without models."""
    hint = "`textclf export RUN` makes one, --base names another folder"
    if versions(base):
        hint = f"It is a model itself: --base {shlex.quote(str(Path(base).resolve().parent))}"
    return ExportError(f"No served models in '{base}'. {hint}.")


def find_version(model_path: Path, version: int, state: str, otherwise: str) -> Path:
    """Return where a version of a model stands.

    Args:
        model_path: Folder of the model.
        version: Its number.
        state: The state that it has to have: live or retired.
        otherwise: What to do, or why it has to be so, for a version in another state.

    Raises:
        ExportError: There is no such version, or it has another state.
    """
    there = states(model_path)
    if version not in there:
        shown = ", ".join(f"{number}" if its == "live" else f"{number} ({its})" for number, its in there.items())
        raise ExportError(f"'{model_path.name}' has no version {version}. There are {shown}.")
    if there[version] != state:
        raise ExportError(f"Version {version} of '{model_path.name}' is {there[version]}. {otherwise}")
    return model_path / str(version) if state == "live" else model_path / RETIRED / str(version)


def models(base: str | Path) -> list[str]:
    """Return the names of the models that have a version in any state, in order."""
    path = Path(base)
    entries = path.iterdir() if path.is_dir() else iter(())
    return sorted(entry.name for entry in entries if not entry.name.startswith(".") and states(entry))


def states(model_path: Path) -> dict[int, str]:
    """Return the state of each version: live, retired or sealed; in ascending order.

    Of one that stands there twice, as where a version was sealed and not removed, the folder counts.
    """
    found = dict.fromkeys(sealed_versions(model_path), "sealed")
    found |= dict.fromkeys(retired_versions(model_path), "retired")
    found |= dict.fromkeys(versions(model_path), "live")
    return dict(sorted(found.items()))


def places(model_path: Path) -> dict[str, int]:
    """Return the version that each folder or file holds, by its path below the model's folder; live ones first."""
    found = {str(version): version for version in versions(model_path)}
    found |= {f"{RETIRED}/{version}": version for version in retired_versions(model_path)}
    return found | {f"{version}{SEALED}": version for version in sealed_versions(model_path)}


def leftovers(model_path: Path) -> list[Path]:
    """Return what a process leaves that is killed, in order of names; one that is at work has it there, too."""
    return sorted(path for path in model_path.iterdir() if path.name.startswith((UNFINISHED, REMOVED)))


def _taken(model_path: Path) -> list[int]:
    """Return the numbers that are taken for ever: by whatever a server takes for one, and by what the log says."""
    there = [int(entry.name) for entry in model_path.iterdir() if entry.name.isdecimal()]
    logged = [line.facts["version"] for line in log.read(model_path) if isinstance(line.facts.get("version"), int)]
    return [*there, *retired_versions(model_path), *sealed_versions(model_path), *logged]
