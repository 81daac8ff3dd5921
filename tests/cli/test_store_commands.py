"""The commands over a store of versions, one after the other, and what they say."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from textclf.store.keys import new_encryption_key
from textclf.store.lifecycle import publish_version
from textclf.writing import replacing

Command = Callable[..., Result]

LEFT = "Requests without a label get the newest version, 2. To take it from them: textclf retire m 2\n"


@pytest.fixture
def model(textclf: Command, tmp_path: Path) -> Path:
    """Versions 1 and 2 of the model `m` under saved_models/, of a few bytes each."""
    del textclf  # it has gone to the folder
    path = tmp_path / "saved_models/m"
    for _ in range(2):
        (path / ".unfinished-x/assets.extra").mkdir(parents=True)
        for name in ("saved_model.pb", "assets.extra/labels.json"):
            (path / ".unfinished-x" / name).write_text("[]", encoding="utf-8")
        publish_version(path / ".unfinished-x", path)
    return path


def test_a_version_goes_live_and_back(textclf: Command, model: Path) -> None:
    assert textclf("label", "m", "stable", "1").stdout == (
        "stable points at version 1.\n"
        "So that labels can move, the server loads all 2 live versions; `textclf retire` unloads one.\n" + LEFT
    )
    moved = textclf("label", "m", "stable", "2").stdout
    assert moved == "stable points at version 2, not 1 any more.\nBack: textclf rollback m\n"
    assert textclf("label", "m", "stable", "2").stdout == "stable pointed at version 2 already.\n"
    assert textclf("rollback", "m").stdout == f"stable points at version 1, not 2 any more.\n{LEFT}"
    assert textclf("label", "m", "stable", "1").stdout == f"stable pointed at version 1 already.\n{LEFT}"
    refused = textclf("retire", "m", "1", exit_code=1).stderr
    assert refused.startswith("Error: Version 1 of 'm' is labelled 'stable'. Move the label first")
    assert textclf("retire", "m", "2").stdout == "Retired version 2.\nBack: textclf restore m 2\n"
    rows = [line.split() for line in textclf("versions", "m").stdout.splitlines()[1:]]
    assert [(row[0], row[1], row[-1]) for row in rows] == [("1", "stable", "live"), ("2", "–", "retired")]
    assert textclf("restore", "m", "2").stdout == f"Restored {model.relative_to(model.parents[1]) / '2'}\n"
    gone = textclf("retire", "m", "1", "--force").stdout
    assert gone == "Retired version 1. Its labels are gone: 'stable'.\nBack: textclf restore m 1\n"
    textclf("label", "m", "canary", "2")
    assert textclf("label", "m", "canary", "--remove").stdout == "Removed canary, which pointed at version 2.\n"


def test_the_list_and_the_log_for_people_and_programs(textclf: Command, model: Path) -> None:
    textclf("label", "m", "stable", "2", "--served-from", "/models")
    assert 'base_path: "/models/m"' in (model.parent / "models.config").read_text(encoding="utf-8")
    listed = json.loads(textclf("versions", "m", "--json").stdout)
    assert [(its["version"], its["labels"], its["state"]) for its in listed] == [
        (1, [], "live"),
        (2, ["stable"], "live"),
    ]
    shown = textclf("versions", "m", "--log")
    assert [line.split("  ")[2:] for line in shown.stdout.splitlines()] == [
        ["published", "version=1"],
        ["published", "version=2"],
        ["labelled", 'label="stable" version=2'],
    ]
    assert shown.stderr.startswith("3 lines, each with the hash of the one before; the last one's is ")
    lines = [json.loads(line) for line in textclf("versions", "m", "--log", "--json").stdout.splitlines()]
    assert [line["action"] for line in lines] == ["published", "published", "labelled"]
    log = model / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"version": 1', b'"version": 2'))
    broken = textclf("versions", "m", "--log", exit_code=1).stderr
    assert broken == "The chain is broken at line 2: line 1 was changed, or lines between them were removed.\n"


def test_what_a_killed_process_left_is_named_with_what_removes_it(textclf: Command, model: Path) -> None:
    assert textclf("versions", "m").stderr == ""
    (model / ".unfinished-9.sealed").touch()
    (model / ".removed-1").mkdir()
    said = textclf("versions", "m").stderr
    assert said == (
        "Left by a process that was killed, if none is at work here: "
        "rm -r saved_models/m/.removed-1 saved_models/m/.unfinished-9.sealed\n"
    )
    with replacing(model / "9.sealed") as unfinished:
        assert unfinished.name == ".unfinished-1-9.sealed"  # and not as if it were version 19


def test_a_backup_there_and_back(textclf: Command, model: Path) -> None:
    textclf("label", "m", "stable", "1")
    textclf("retire", "m", "2")
    done = textclf("backup", "m", "backups/m today")
    assert done.stdout.splitlines() == [
        "Copied 2 versions (1 live, 1 retired), 0.0 MB, to backups/m today",
        "Back: textclf restore-from 'backups/m today'",
    ]
    assert done.stderr.splitlines()[1] == (
        "Version 2 has no manifest: it was copied as it is, whether or not it is whole."
    )
    shutil.rmtree(model.parent)
    back = textclf("restore-from", "backups/m today").stdout
    assert back == "Restored 1, 2 of 'm'; already there: none.\nstable points at version 1.\n"
    assert textclf("restore-from", "backups/m today").stdout == "Restored none of 'm'; already there: 1, 2.\n"
    assert "is there already" in textclf("backup", "m", "backups/m today", exit_code=1).stderr


def test_sigterm_leaves_nothing_half_written(
    textclf: Command, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminate(*_: Any, **__: Any) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("textclf.store.backup.digests", terminate)
    monkeypatch.setattr("textclf.store.sealing._write", terminate)
    new_encryption_key("disk.key")
    before = {path for path in tmp_path.rglob("*") if path.name != ".m.lock"}
    for arguments in (["backup", "m", "backups/today"], ["seal", "m", "1", "--key", "disk.key"]):
        assert textclf(*arguments, exit_code=143).stderr == "Error: Stopped by SIGTERM.\n"
    assert {path for path in tmp_path.rglob("*") if path.name != ".m.lock"} == before
    assert model.is_dir()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_label_and_a_version_or_its_removal(textclf: Command, model: Path) -> None:
    assert model.is_dir()
    for arguments in (["m", "stable"], ["m", "stable", "1", "--remove"]):
        assert "Expected either a VERSION or --remove." in textclf("label", *arguments, exit_code=2).stderr
    assert "'stable' is not a valid version number." in textclf("label", "m", "1", "stable", exit_code=2).stderr
    assert textclf("retire", "m", "1", "--base", "saved_models/").stdout.endswith("restore m 1 --base saved_models/\n")
    assert "Did you mean" not in textclf("versions", "zzz", exit_code=1).stderr


def test_no_tensorflow_is_needed(model: Path) -> None:
    program = """
import sys
from textclf.cli.main import main
for line in "versions m, label m stable 1, rollback m, retire m 2, restore m 2, backup m b, restore-from b".split(", "):
    try:
        main(line.split(), standalone_mode=False)
    except Exception as error:
        assert "rollback" in line, error
print({"tensorflow", "keras", "pyarrow", "sklearn"} & sys.modules.keys())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=model.parents[1]
    )
    assert done.stdout.splitlines()[-1] == "set()"
