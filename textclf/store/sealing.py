"""Versions at rest: a version's folder as one encrypted file, and back."""

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from textclf.errors import ExportError, listing, refusal
from textclf.savedmodel.files import GRAPH_FILE, MANIFEST_FILE
from textclf.savedmodel.manifest import check_manifest
from textclf.store.cipher import Decrypter, Encrypter
from textclf.store.contents import File, entries, folder_files
from textclf.store.versions import SEALED, versions
from textclf.writing import UNFINISHED, missing_folders, remove_empty, replacing, sync_folder

_BLOCK = 1 << 20
_REMOVED = ".removed-"
"""How the name begins of a folder that a server no longer sees and that is about to go."""


def seal(directory: str | Path, key: bytes, *, remove: bool = False) -> Path:
    """Encrypt a version's folder into one file beside it.

    Args:
        directory: The version's folder, `saved_models/NAME/N`; files in it that are links are followed.
        key: 32 bytes, as `read_encryption_key` returns them.
        remove: Whether the folder is removed, after the file was read back from the disk and compared with it. With a
            sealed file that is there already, the comparing and removing alone is done.

    Returns:
        `saved_models/NAME/N.sealed`.

    Raises:
        ExportError: There is no such version, it is damaged, it is sealed already, or what was sealed differs.
    """
    directory = Path(directory)
    sealed = directory.with_name(directory.name + SEALED)
    if remove:
        _remove_leftovers(directory.parent)  # of a call that was interrupted
    _check(directory)
    if not sealed.exists():
        try:
            with replacing(sealed) as unfinished, unfinished.open("wb") as file:
                _write(file, directory, key)
        except OSError as error:
            raise ExportError(f"'{sealed}' cannot be written: {refusal(error)}. Nothing was sealed.") from None
    elif not remove:
        raise ExportError(f"'{sealed}' is there already, and nothing is overwritten.")
    if remove:
        if entries(sealed_files(sealed, key)) != entries(folder_files(directory)):
            raise ExportError(f"'{sealed}' holds something else than '{directory}', which was not removed.")
        _remove(directory)
    return sealed


def unseal(sealed: str | Path, key: bytes, to: str | Path | None = None) -> Path:
    """Decrypt a version's file into a folder that appears whole; the file stays.

    Args:
        sealed: `saved_models/NAME/N.sealed`.
        key: 32 bytes, as `read_encryption_key` returns them.
        to: Where the folder `N` appears; beside the file if None.

    Returns:
        The folder.

    Raises:
        ExportError: The file is damaged or was sealed with another key, or the folder is there already.
    """
    sealed = Path(sealed)
    model_path = sealed.parent if to is None else Path(to)
    target = model_path / sealed.name.removesuffix(SEALED)
    if target.exists():
        raise ExportError(f"'{target}' is there already, and nothing is overwritten.")
    made = missing_folders(model_path)
    try:
        model_path.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=model_path))  # for its owner alone
        try:
            for name, file in sealed_files(sealed, key):
                path = unfinished / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as written:
                    shutil.copyfileobj(file, written, _BLOCK)
            _check(unfinished, str(sealed))
            unfinished.chmod(0o755)
            sync_folder(unfinished)
            unfinished.rename(target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except BaseException as error:
        remove_empty(made)
        if isinstance(error, OSError):
            raise ExportError(f"'{target}' cannot be written: {refusal(error)}. Nothing was unsealed.") from None
        raise
    return target


def sealed_files(sealed: Path, key: bytes) -> Iterator[File]:
    """Yield the files of a sealed version. They are those that were sealed, all of them, once the last was yielded.

    Raises:
        ExportError: The file is damaged, cut off, or was sealed with another key, or what it holds is no version.
    """
    with _opened(sealed) as file:
        plain: Any = Decrypter(file, key, sealed)
        try:
            with tarfile.open(fileobj=plain, mode="r|", format=tarfile.PAX_FORMAT) as archive:
                for member in archive:
                    content = archive.extractfile(member) if _is_plain(member) else None
                    if content is None:
                        raise ExportError(f"'{sealed}' holds '{member.name}', which is no version's file.")
                    yield member.name, content
        except tarfile.TarError as error:
            raise ExportError(f"'{sealed}' holds no archive: {error}.") from None
        while plain.read(_BLOCK):  # an archive may end before the last chunk does, which would go unchecked
            pass


def _check(directory: Path, what: str | None = None) -> None:
    """Refuse a folder that is no version, or is not as its manifest says if it has one."""
    if not (directory / GRAPH_FILE).is_file():
        found = listing(map(str, versions(directory.parent)))
        hint = f" Versions there: {found}." if found else ""
        raise ExportError(f"'{what or directory}' holds no {GRAPH_FILE}, so it is no version.{hint}")
    problems = check_manifest(directory) if (directory / MANIFEST_FILE).exists() else []
    if problems:
        raise ExportError(f"'{what or directory}' is damaged: {problems[0]}")


def _write(file: Any, directory: Path, key: bytes) -> None:
    """Write a folder as an encrypted archive of plain files, without owners and times."""
    members = [_member(name, os.fstat(content.fileno()).st_size) for name, content in folder_files(directory)]
    plain: Any = Encrypter(file, key, _archive_size(members))
    with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for member, (_, content) in zip(members, folder_files(directory), strict=True):
            archive.addfile(member, content)
    plain.finish()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _archive_size(members: list[tarfile.TarInfo]) -> int:
    """Return how long an archive will be: headers, files in whole blocks, two empty blocks, in whole records."""
    block, record = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
    sizes = (len(member.tobuf(tarfile.PAX_FORMAT)) + -(-member.size // block) * block for member in members)
    return -(-(sum(sizes) + 2 * block) // record) * record


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Say whether a member is a file whose name stays inside of a folder.

    Whoever holds the key can seal any archive. `tarfile`'s own filter came with Python 3.11.4 and lets links through.
    """
    parts = PurePosixPath(member.name).parts
    stays = "/".join(parts) == member.name and not {"..", "/"} & set(parts) and not set(member.name) & set("\\:\0")
    return bool(parts) and stays and member.type == tarfile.REGTYPE and not member.issparse()


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise ExportError(f"'{path}' cannot be read: {refusal(error)}.") from None


def _remove(directory: Path) -> None:
    """Take a folder from a server's sight at once, and then from the disk."""
    _remove_leftovers(directory.parent)
    directory.rename(directory.with_name(_REMOVED + directory.name))
    _remove_leftovers(directory.parent)


def _remove_leftovers(model_path: Path) -> None:
    for folder in model_path.glob(f"{_REMOVED}*"):
        shutil.rmtree(folder)
