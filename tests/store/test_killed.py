"""Killed at once before any of its steps on the disk, a change leaves a store that is whole."""

import itertools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textclf.savedmodel.manifest import check_manifest
from textclf.store import log
from textclf.store.backup import backup, restore_from
from textclf.store.contents import entries
from textclf.store.keys import new_signing_key, read_public_key, read_signing_key
from textclf.store.labels import remove_label, rollback, set_label
from textclf.store.lifecycle import publish_version, restore, retire
from textclf.store.models_config import read_labels
from textclf.store.sealing import sealed_files
from textclf.store.secured import seal_live, sign, unseal_live
from textclf.store.signing import check_signature
from textclf.store.versions import states, versions

from .conftest import KEY

Publish = Callable[..., Path]

CHANGES: dict[str, Callable[[Path], Any]] = {
    "retire": lambda base: retire(base, "m", 1),
    "retire with its label": lambda base: retire(base, "m", 2, force=True),
    "restore": lambda base: restore(base, "m", 4),
    "publish": lambda base: publish_version(base / "m/.unfinished-new", base / "m"),
    "label": lambda base: set_label(base, "m", "stable", 1),
    "remove label": lambda base: remove_label(base, "m", "stable"),
    "rollback": lambda base: rollback(base, "m"),
    "backup": lambda base: backup(base, "m", base.parent / "backup"),
    "restore-from": lambda base: restore_from(base.parent / "old", base),
    "seal": lambda base: seal_live(base, "m", 1, KEY),
    "seal and remove": lambda base: seal_live(base, "m", 1, KEY, remove=True),
    "unseal": lambda base: unseal_live(base, "m", 6, KEY),
    "sign": lambda base: sign(base / "m/1", read_signing_key(base.parent / "release.key")),
}
STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")]


def killed_at(step: int, change: Callable[[], Any]) -> bool:
    """Make a change in a process that is killed before its step-th step; return whether it came so far."""
    child = os.fork()
    if child == 0:
        steps = itertools.count()

        def hook(event: str, arguments: Any) -> None:
            changes = event in STEPS or (event == "open" and arguments[2] & WRITING)
            if changes and next(steps) == step:
                os._exit(9)

        sys.addaudithook(hook)
        try:
            change()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.fixture
def prepared(base: Path, publish: Publish) -> Path:
    """Versions 1 to 3 live, 4 retired, 6 sealed; `stable` was on 3 and is on 2; a backup that has a fifth.

    There is one to publish, and version 1 is signed, by the key that signs it again.
    """
    for number in range(1, 6):
        publish(content=f"graph {number}")
    set_label(base, "m", "old", 5)
    backup(base, "m", base.parent / "old")
    shutil.rmtree(base / "m/5")
    retire(base, "m", 4)
    publish(content="graph 6")
    seal_live(base, "m", 6, KEY, remove=True)
    new_signing_key(base.parent / "release.key")
    sign(base / "m/1", read_signing_key(base.parent / "release.key"))
    set_label(base, "m", "stable", 3)
    set_label(base, "m", "stable", 2)
    shutil.copytree(base / "m/1", base / "m/.unfinished-new")
    return base.parent


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_kill_at_any_step(prepared: Path, tmp_path_factory: pytest.TempPathFactory, change: Any) -> None:
    for step in itertools.count():
        folder = tmp_path_factory.mktemp("kill") / "copy"
        shutil.copytree(prepared, folder, copy_function=os.link)
        for file in (*folder.rglob("log.jsonl"), *folder.rglob("*.config")):  # those are written to
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)
        base = folder / "saved_models"
        killed = killed_at(step, lambda: change(base))  # noqa: B023 (it runs at once)
        check_whole(base)
        if killed and change is not CHANGES["publish"]:
            try_again(change, base)
        shutil.rmtree(folder)
        if not killed:
            break
    assert step > 3


def check_whole(base: Path) -> None:
    """Hold that labels point at live versions, versions and backups are whole, and the log can be trusted."""
    assert set(read_labels(base, "m").values()) <= set(versions(base / "m"))
    assert set(states(base / "m")) >= {1, 2, 3, 4, 6}
    folders = [path for place in ("m/[0-9]*", "m/.retired/*") for path in base.glob(place) if path.is_dir()]
    assert [problem for path in folders for problem in check_manifest(path)] == []
    for path in base.glob("m/[0-9]*.sealed"):
        assert "variables/variables.index" in entries(sealed_files(path, KEY))
    if (base / "m/1").exists():
        check_signature(base / "m/1", [read_public_key(base.parent / "release.key.pub")])
    assert not [line.problem for line in log.read(base / "m") if line.problem]
    if (base.parent / "backup").exists():
        elsewhere = base.parent / "elsewhere"
        assert restore_from(base.parent / "backup", elsewhere).new == [1, 2, 3, 4, 6]
        shutil.rmtree(elsewhere)


def try_again(change: Callable[[Path], Any], base: Path) -> None:
    """Hold that nothing stands in the way of the same command, but that it was done already."""
    try:
        change(base)
    except Exception as error:
        done = ("is retired", "is sealed", "is live", "has no label", "is there already", "knows of no version")
        assert any(words in str(error) for words in done), error
    check_whole(base)
