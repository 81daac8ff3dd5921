"""TensorFlow's start-up chatter: held back, unless the import fails or the user has asked for it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import textclf

PROGRAM = "from textclf.startup import import_tensorflow as start; start(); start()"
CHATTER = "import os; os.write(2, b'chatter')"
TENSORFLOW = f"{CHATTER}\nclass config:\n    list_physical_devices = staticmethod(lambda: os.write(2, b' more'))\n"


def start(folder: Path, tensorflow: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start with a TensorFlow of our own."""
    for name, text in (("tensorflow", tensorflow), ("tensorflow_text", CHATTER)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    root = str(Path(textclf.__file__).parent.parent)
    variables = {**inherited, "PYTHONPATH": os.pathsep.join([str(folder), root]), **environment}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=variables, capture_output=True, text=True, timeout=60)


def test_nothing_is_said(tmp_path: Path) -> None:
    done = start(tmp_path, TENSORFLOW)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_who_set_the_log_level_hears_it(tmp_path: Path) -> None:
    done = start(tmp_path, f"{TENSORFLOW}\nprint(os.environ['TF_CPP_MIN_LOG_LEVEL'])", TF_CPP_MIN_LOG_LEVEL="0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "chatterchatter more")


def test_a_child_of_a_quiet_parent_is_quiet(tmp_path: Path) -> None:
    assert start(tmp_path, TENSORFLOW, TF_CPP_MIN_LOG_LEVEL="3").stderr == ""


def test_a_failed_import_says_why(tmp_path: Path) -> None:
    done = start(tmp_path, f"{CHATTER}\nraise ImportError('no such library')")
    assert done.returncode == 1
    assert done.stderr.startswith("chatter")
    assert "no such library" in done.stderr


def test_ctrl_c_while_it_starts_shows_none_of_it(tmp_path: Path) -> None:
    done = start(tmp_path, f"{CHATTER}\nraise KeyboardInterrupt")
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize(("name", "times"), [("load", 1), ("train", 1), ("check", 1), ("init", 0), ("Config", 0)])
def test_the_public_names_start_it_only_if_they_need_it(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(textclf, "import_tensorflow", lambda: calls.append(name))
    assert callable(getattr(textclf, name))
    assert len(calls) == times
