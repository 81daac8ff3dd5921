"""A served model in another place: its versions, log and labels, each file checked by its SHA-256."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from textclf.errors import ExportError, listing, refusal
from textclf.savedmodel.files import MANIFEST_FILE, MANIFEST_SIGNATURE_FILE
from textclf.savedmodel.manifest import check_manifest
from textclf.store import log, models_config
from textclf.store.digests import below, differences, digests
from textclf.store.lock import locked, locked_if_writable
from textclf.store.versions import RETIRED, SEALED, find_model, places, states
from textclf.writing import UNFINISHED, missing_folders, remove_empty

BACKUP = "backup.json"
"""The file of a backup that says what it holds: the model's name, where it stood, and each file's SHA-256."""
_FILES = "files"


class BackedUp(NamedTuple):
    """What a backup holds.

    Attributes:
        versions: The state of each version.
        unverified: Versions without a manifest, of which nobody knows whether they are as they were written.
        size: Bytes of all files.
    """

    versions: dict[int, str]
    unverified: list[int]
    size: int


class Returned(NamedTuple):
    """What came back from a backup.

    Attributes:
        name: The model.
        new: The versions that came back.
        same: The versions that were there, with the same files.
        labels: The labels that came back, with their versions.
    """

    name: str
    new: list[int]
    same: list[int]
    labels: dict[str, int]


def backup(base: str | Path, name: str, target: str | Path) -> BackedUp:
    """Copy all of a model to a new folder, which appears when it is whole.

    Args:
        base: Folder of the served models.
        name: The model.
        target: The backup's folder; it may not be there yet, nor lie below `base`.

    Raises:
        ExportError: The model is unknown, the target is there, a version is not what its manifest says, or something
            cannot be read or written; then nothing is left of the copy.
    """
    model_path, target = find_model(base, name), Path(target)
    if target.exists() or target.is_symlink():
        raise ExportError(f"'{target}' is there already, and a backup overwrites nothing. Choose another folder.")
    if target.resolve().is_relative_to(Path(base).resolve()):
        raise ExportError(f"'{target}' lies in '{base}', and would be lost with it. Choose a folder elsewhere.")
    with locked_if_writable(model_path) as is_locked:
        with _appearing(target) as unfinished:
            for place in places(model_path):
                _copy_checked(model_path / place, unfinished / _FILES / place)
            if (model_path / log.LOG_FILE).exists():
                _copy(model_path / log.LOG_FILE, unfinished / _FILES / log.LOG_FILE)
            entry = models_config.entry_text(base, name)
            (unfinished / _FILES / models_config.MODELS_CONFIG).write_text(entry, encoding="utf-8", newline="\n")
            files = digests(unfinished / _FILES)
            facts = {"name": name, "base": str(Path(base).resolve()), "time": log.now(), "who": log.who()}
            text = json.dumps({"format": 1, **facts, "files": files}, ensure_ascii=False, indent=1)
            (unfinished / BACKUP).write_text(text, encoding="utf-8", newline="\n")
        there = states(model_path)
        if is_locked:
            log.append(model_path, "backed up", target=str(target.resolve()), versions=list(there))
        folders = {place: version for place, version in places(model_path).items() if not place.endswith(SEALED)}
    unverified = [version for place, version in folders.items() if f"{place}/{MANIFEST_FILE}" not in files]
    return BackedUp(there, sorted(unverified), sum(facts["bytes"] for facts in files.values()))


def restore_from(source: str | Path, base: str | Path, served_from: str | None = None) -> Returned:
    """Bring back what a backup holds and the base path lacks; nothing that stands there is touched.

    Args:
        source: Folder of the backup.
        base: Folder of the served models.
        served_from: Where the server sees `base`, if it is not where we do; see `models_config.refresh`.

    Raises:
        ExportError: It is no backup, a file of it was changed, a version stands there with other files, or something
            cannot be read or written; then no version came back.
    """
    models_config.check_place(served_from)
    source, base = Path(source), Path(base)
    content = _read(source)
    name = content["name"]
    model_path = base / name
    made = missing_folders(model_path)
    try:
        model_path.mkdir(parents=True, exist_ok=True)
        with locked(model_path):
            models_config.read_labels(base, name)  # what cannot be read stops it in time
            returned = _restore_versions(source / _FILES, content["files"], model_path)
            entry = (source / _FILES / models_config.MODELS_CONFIG).read_text(encoding="utf-8")
            labels = models_config.merge_entry(base, name, entry, content["base"], served_from)
            log.append(model_path, "restored from", source=str(source.resolve()), versions=returned.new)
            return returned._replace(labels=labels)
    except OSError as error:
        raise ExportError(f"'{model_path}' cannot be written: {refusal(error)}. No version came back.") from None
    finally:
        remove_empty(made)  # those that stayed empty


def _restore_versions(source: Path, files: dict[str, Any], model_path: Path) -> Returned:
    """Copy what is missing under another name, then rename it: the log first, which has the numbers that are taken."""
    held = places(source)
    new = [place for place, version in held.items() if not _is_there(place, version, files, model_path)]
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=model_path) as unfinished:
        copies = {place: Path(unfinished) / place for place in new}
        if not (model_path / log.LOG_FILE).exists() and log.LOG_FILE in files:
            copies = {log.LOG_FILE: Path(unfinished) / log.LOG_FILE} | copies
        for place, copy in copies.items():
            _copy(source / place, copy)
            _check(differences(below(files, place), digests(copy)), copy)
        _move(copies, model_path)
    returned = sorted({held[place] for place in new})
    return Returned(model_path.name, returned, sorted({*held.values()} - {*returned}), {})


def _move(copies: dict[str, Path], model_path: Path) -> None:
    """Rename copies to their places; if one fails, say which came back before it."""
    back: list[str] = []
    for place, copy in copies.items():
        try:
            (model_path / place).parent.mkdir(exist_ok=True)
            copy.rename(model_path / place)
        except OSError as error:
            there = f"{listing(back)} came back before; the same command goes on" if back else "No version came back"
            raise ExportError(f"'{model_path / place}' cannot be written: {refusal(error)}. {there}.") from None
        back.append(place)


def _is_there(place: str, version: int, files: dict[str, Any], model_path: Path) -> bool:
    """Return whether the model has what stands at a place of the backup, live or retired; refuse another version."""
    state, is_sealed = states(model_path).get(version), place.endswith(SEALED)
    standing = model_path / (place if is_sealed else f"{RETIRED}/{version}" if state == "retired" else str(version))
    if state == "sealed" and not is_sealed:
        found = ["it is encrypted here"]
    elif not standing.exists():
        return False
    else:
        # Whoever signs a version again, with another key, makes no other version of it.
        wanted, there = below(files, place), digests(standing)
        found = differences(*({**each, MANIFEST_SIGNATURE_FILE: None} for each in (wanted, there)))
    if found:
        raise ExportError(
            f"Version {version} stands in '{model_path}', {state}, and is not that of the backup: {found[0]}. "
            "Nothing was overwritten; no version came back."
        )
    return True


def _read(source: Path) -> dict[str, Any]:
    """Return what a backup says that it holds, if it is so."""
    from textclf.config.run import check_name  # takes half a second

    expected = f"Expected a folder that `textclf backup` wrote, with a {BACKUP}"
    try:
        content = json.loads((source / BACKUP).read_text(encoding="utf-8"))
        check_name(content["name"])
        str(content["base"])
        found = differences(content["files"], digests(source / _FILES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"'{source}' cannot be read as a backup: {refusal(error)}. {expected}.") from None
    _check(found, source)
    return dict(content)


def _copy_checked(source: Path, target: Path) -> None:
    """Copy a version; what has a manifest is checked before and after."""
    has_manifest = (source / MANIFEST_FILE).exists()
    if has_manifest:
        _check(check_manifest(source), source)
    _copy(source, target)
    if has_manifest:
        _check(check_manifest(target), target)
    else:
        _check(differences(digests(source), digests(target)), target)


def _check(found: list[str], path: Path) -> None:
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ExportError(f"'{path}' is damaged: {found[0].removesuffix('.')}{more}. Nothing was written.")


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, and wait for the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy_file)
    else:
        _copy_file(str(source), str(target))


def _copy_file(source: str, target: str) -> None:
    shutil.copy2(source, target)
    with Path(target).open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Give a folder to fill, which is called `target` when the block ends well, and gone if it does not."""
    made = missing_folders(target.parent)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=target.parent))
        try:
            yield unfinished
            unfinished.chmod(0o755)  # only its owner may enter what mkdtemp makes
            unfinished.rename(target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except BaseException as error:
        remove_empty(made)
        if isinstance(error, OSError):
            what = error.filename or target
            raise ExportError(f"'{what}' cannot be copied: {refusal(error)}. Nothing is left of the backup.") from None
        raise
