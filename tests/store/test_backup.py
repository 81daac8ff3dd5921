"""Backups: what comes back is what was there, a damaged file never goes along, and nothing is overwritten."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textclf.errors import ExportError
from textclf.store import backup as backup_module
from textclf.store import lock as lock_module
from textclf.store import log
from textclf.store.backup import backup, restore_from
from textclf.store.keys import read_signing_key
from textclf.store.labels import rollback, set_label
from textclf.store.lifecycle import restore, retire
from textclf.store.models_config import MODELS_CONFIG, read_labels
from textclf.store.signing import sign_version
from textclf.store.versions import states

Publish = Callable[..., Path]


def content(folder: Path, leave_out: str = "") -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != leave_out)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def model(base: Path, three: list[Path]) -> Path:
    """Versions 1 and 3 live, 2 retired, 4 sealed; labels that have moved."""
    del three
    set_label(base, "m", "stable", 1)
    set_label(base, "m", "stable", 3)
    set_label(base, "m", "canary", 1)
    retire(base, "m", 2)
    (base / "m/4.sealed").write_bytes(b"\x00secret")
    return base / "m"


def test_a_base_that_cannot_be_written_is_backed_up_with_a_note(
    model: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(lock_module, "DirectoryLock", refuse)
    before = content(base)
    assert list(backup(base, "m", tmp_path / "copy").versions) == [1, 2, 3, 4]
    assert content(base) == before
    (said,) = caplog.messages
    assert said.startswith(f"'{base}' cannot be written (Read-only file system), so nothing keeps others from changing")
    monkeypatch.undo()
    restore_from(tmp_path / "copy", tmp_path / "elsewhere")
    assert content(tmp_path / "elsewhere/m", log.LOG_FILE) == content(model, log.LOG_FILE)


def test_all_comes_back(model: Path, base: Path, tmp_path: Path) -> None:
    before, log_before = content(model), (model / log.LOG_FILE).read_bytes()
    done = backup(base, "m", tmp_path / "far/away")
    assert done.versions == {1: "live", 2: "retired", 3: "live", 4: "sealed"}
    assert done.unverified == []
    assert done.size == sum(len(its) for its in content(tmp_path / "far/away/files").values())
    assert log.read(model)[-1].facts["action"] == "backed up"
    moved, config = tmp_path / "elsewhere/models", (base / MODELS_CONFIG).read_text(encoding="utf-8")
    shutil.rmtree(base)
    returned = restore_from(tmp_path / "far/away", moved)
    assert returned == ("m", [1, 2, 3, 4], [], {"canary": 1, "stable": 3})
    assert content(moved / "m", log.LOG_FILE) == {name: its for name, its in before.items() if name != log.LOG_FILE}
    assert (moved / "m" / log.LOG_FILE).read_bytes().startswith(log_before)
    assert not [line.problem for line in log.read(moved / "m") if line.problem]
    assert (moved / MODELS_CONFIG).read_text(encoding="utf-8") == config.replace(str(base), str(moved))
    assert sorted(path.name for path in moved.iterdir()) == ["m", MODELS_CONFIG]
    assert rollback(moved, "m") == (3, 1)
    assert (moved / "m/1").stat().st_mode == (tmp_path / "far/away/files/1").stat().st_mode


def test_what_is_there_already_stays(model: Path, base: Path, tmp_path: Path, publish: Publish) -> None:
    backup(base, "m", tmp_path / "backup")
    restore(base, "m", 2)
    retire(base, "m", 1, force=True)
    shutil.rmtree(model / "3")
    set_label(base, "m", "stable", 2)
    returned = restore_from(tmp_path / "backup", base)
    assert returned == ("m", [3], [1, 2, 4], {})  # canary's version is retired here, stable has moved
    assert states(model) == {1: "retired", 2: "live", 3: "live", 4: "sealed"}
    assert read_labels(base, "m") == {"stable": 2}
    assert restore_from(tmp_path / "backup", base).new == []
    assert publish().name == "5"
    assert not [line.problem for line in log.read(model) if line.problem]


def test_another_version_under_the_number_stops_it(model: Path, base: Path, tmp_path: Path) -> None:
    backup(base, "m", tmp_path / "backup")
    (model / "3/saved_model.pb").write_text("another graph", encoding="utf-8")
    shutil.rmtree(model / "1")
    before = content(base)
    with pytest.raises(
        ExportError, match=r"Version 3 stands in .*, live, .*: saved_model\.pb was altered\. Nothing was"
    ):
        restore_from(tmp_path / "backup", base)
    assert content(base) == before


@pytest.mark.parametrize("place", ["1", ".retired/2"])
def test_a_damaged_version_is_not_backed_up(model: Path, base: Path, tmp_path: Path, place: str) -> None:
    with (model / place / "variables/variables.index").open("r+b") as file:
        file.write(b"G")
    with pytest.raises(
        ExportError, match=rf"{place}' is damaged: 'variables/variables\.index' was altered: .*\. Nothing was w"
    ):
        backup(base, "m", tmp_path / "new/backup")
    assert not (tmp_path / "new").exists()
    assert log.read(model)[-1].facts["action"] == "retired"


@pytest.mark.parametrize("name", ["1/variables/variables.index", "4.sealed", "log.jsonl", "models.config"])
def test_a_damaged_backup_does_not_come_back(model: Path, base: Path, tmp_path: Path, name: str) -> None:
    del model
    backup(base, "m", tmp_path / "backup")
    (tmp_path / "backup/files" / name).write_bytes(b"#")
    with pytest.raises(ExportError, match=rf"backup' is damaged: {name} was altered\."):
        restore_from(tmp_path / "backup", tmp_path / "new")
    (tmp_path / "backup/files" / name).unlink()
    with pytest.raises(ExportError, match=rf"backup' is damaged: {name} is missing\."):
        restore_from(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_version_without_a_manifest_is_named(publish: Publish, base: Path, tmp_path: Path) -> None:
    publish(), publish(manifest=False)
    assert backup(base, "m", tmp_path / "backup").unverified == [2]
    assert restore_from(tmp_path / "backup", tmp_path / "new").new == [1, 2]


@pytest.mark.usefixtures("model")
def test_a_copy_that_differs_is_found(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup(base, "m", tmp_path / "good")
    copy = shutil.copy2

    def bad_copy(source: str, target: str) -> str:
        copied = copy(source, target)
        if "variables.index" in source:
            Path(target).write_bytes(b"bit rot")
        return copied

    monkeypatch.setattr(shutil, "copy2", bad_copy)
    with pytest.raises(ExportError, match=r"1' is damaged: 'variables/variables\.index' was altered: .*"):
        backup(base, "m", tmp_path / "bad")
    with pytest.raises(ExportError, match=r"1' is damaged: variables/variables\.index was altered"):
        restore_from(tmp_path / "good", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "saved_models"]


@pytest.mark.parametrize("copies", [0, 5, 14])
def test_a_full_disk_leaves_nothing(
    model: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: int
) -> None:
    backup(base, "m", tmp_path / "good")
    before, left, copy = content(model), iter(range(copies)), shutil.copy2

    def full(source: str, target: str) -> Any:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        return copy(source, target)

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(ExportError, match=r"No space left on device\. Nothing is left of the backup"):
        backup(base, "m", tmp_path / "other")
    left = iter(range(copies))
    with pytest.raises(ExportError, match=r"new/m' cannot be written: No space left on device\. No version came back"):
        restore_from(tmp_path / "good", tmp_path / "new")
    assert content(model) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "saved_models"]


def test_a_backup_has_a_place_of_its_own(model: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for target in (tmp_path / "there", base):
        with pytest.raises(ExportError, match="is there already, and a backup overwrites nothing"):
            backup(base, "m", target)
    for target in (base / "backup", model / "9"):
        with pytest.raises(ExportError, match="would be lost with it"):
            backup(base, "m", target)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"name": "../m", "files": {}, "base": ""}', '{"name": "m", "files": []}', '{"name": 1}', "\xff"],
)
def test_what_is_no_backup(tmp_path: Path, text: str) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/backup.json").write_text(text, encoding="latin-1")
    with pytest.raises(ExportError, match=r"b' cannot be read as a backup: .*Expected a folder that `textclf backup`"):
        restore_from(tmp_path / "b", tmp_path / "new")
    with pytest.raises(ExportError, match=r"No such file or directory\. Expected a folder"):
        restore_from(tmp_path / "nowhere", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_version_may_be_live_and_sealed_too(model: Path, base: Path, tmp_path: Path) -> None:
    (model / "3.sealed").write_bytes(b"3")
    assert backup(base, "m", tmp_path / "backup").versions == {1: "live", 2: "retired", 3: "live", 4: "sealed"}
    assert restore_from(tmp_path / "backup", tmp_path / "new").new == [1, 2, 3, 4]
    assert content(tmp_path / "new/m", log.LOG_FILE) == content(model, log.LOG_FILE)
    (model / "3.sealed").unlink()
    assert restore_from(tmp_path / "backup", base) == ("m", [3], [1, 2, 4], {})
    assert (model / "3.sealed").read_bytes() == b"3"
    (model / "4.sealed").write_bytes(b"4")
    with pytest.raises(ExportError, match=r"Version 4 stands in .*, sealed, and is not that of the backup"):
        restore_from(tmp_path / "backup", base)
    shutil.rmtree(model / "3")
    with pytest.raises(ExportError, match=r"Version 3 stands in .*, sealed, .*: it is encrypted here\."):
        restore_from(tmp_path / "backup", base)


def test_what_a_backup_says_of_itself(model: Path, base: Path, tmp_path: Path) -> None:
    del model
    backup(base, "m", tmp_path / "backup")
    said = json.loads((tmp_path / "backup" / backup_module.BACKUP).read_text(encoding="utf-8"))
    assert (said["format"], said["name"], said["base"]) == (1, "m", str(base))
    assert said["files"].keys() == content(tmp_path / "backup/files").keys()


def test_a_version_that_was_signed_since_is_the_same(model: Path, base: Path, tmp_path: Path, pair: Path) -> None:
    backup(base, "m", tmp_path / "backup")
    sign_version(model / "1", read_signing_key(pair))
    shutil.rmtree(model / "3")
    assert restore_from(tmp_path / "backup", base).new == [3]
    assert (model / "1/assets.extra/manifest.sig").is_file()


def test_it_comes_back_where_the_server_sees_it(model: Path, base: Path, tmp_path: Path) -> None:
    backup(base, model.name, tmp_path / "copy")
    with pytest.raises(ExportError, match="as an absolute path, got 'models'"):
        restore_from(tmp_path / "copy", tmp_path / "elsewhere", "models")
    assert not (tmp_path / "elsewhere").exists()
    restore_from(tmp_path / "copy", tmp_path / "elsewhere", "/models")
    assert 'base_path: "/models/m"' in (tmp_path / "elsewhere" / MODELS_CONFIG).read_text(encoding="utf-8")
    assert read_labels(tmp_path / "elsewhere", "m") == read_labels(base, "m")
