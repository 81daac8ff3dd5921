"""Help: every option is named, and asking for it is quick."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from textclf import __version__
from textclf.cli.main import COMMANDS, main

Command = Callable[..., Result]

OPTIONS = {
    "init": ["--out", "--name", "--force", "--set KEY=VALUE"],
    "check": ["--set KEY=VALUE", "--json"],
    "train": ["--set KEY=VALUE", "--run", "--force", "--resume [auto|must|never]", "--quiet"],
    "tune": ["--set KEY=VALUE", "--metric", "--trials", "--minutes", "--search FIELD=DOMAIN", "--run", "--quiet"],
    "evaluate": ["--data", "--set KEY=VALUE", "--report", "--force", "--json", "--key", "--trusted-key FILE"],
    "predict": [
        "--file", "--text-column", "--pair-column", "--input-format", "--encoding", "--header / --no-header",
        "--delimiter", "--quoting [auto|standard|none]", "--format [tsv|jsonl]", "--all-scores", "--out",
        "--force", "--key", "--trusted-key FILE",
    ],
    "ask": ["--server", "--label", "--version", "--json"],
    "export": [
        "--name", "--base", "--floor SCORE=VALUE", "--allow-worse", "--no-verify", "--served-from PATH", "--sign-key",
        "--quiet",
    ],
    "verify": ["--json"],
    "serve": [
        "--base", "--local", "--docker", "--host", "--rest-port", "--grpc-port", "--no-batching", "--access",
        "--tls-cert", "--tls-key", "--audit",
    ],
    "load-test": [
        "--server", "--version", "--label", "--texts", "--text-column", "--rate", "--seconds", "--batch-size",
        "--timeout", "--plot FILE", "--json", "--force",
    ],
    "versions": ["--base", "--log", "--json"],
    "label": ["--base", "--remove", "--served-from PATH"],
    "rollback": ["--base"],
    "retire": ["--base", "--force"],
    "restore": ["--base"],
    "backup": ["--base"],
    "restore-from": ["--base", "--served-from PATH"],
    "keys": [],
    "sign": ["--key", "--base"],
    "seal": ["--key", "--remove", "--base"],
    "unseal": ["--key", "--to", "--base"],
}  # fmt: skip

LINES = {
    "init": ["write a commented config", "[default: config.yaml]"],
    "check": ["Show rows, labels and balance of each split", "Nothing is changed."],
    "train": ["Ctrl-C keeps the best so far", "runs/NAME if not given"],
    "tune": ["test data has no part in it", "runs/NAME-tune if not given", "and the same command goes on"],
    "evaluate": ["a run directory or an export (saved_models/NAME[/VERSION])", "the run's own test split if not given"],
    "predict": [
        "Writes a line a text, in their order: label, score and text",
        "- is standard input",
        "in the training data's own format",
    ],
    "ask": [
        "TEXTS may be - for the lines of standard input",
        "[default: http://127.0.0.1:8501]",
        "the environment variable TEXTCLF_API_KEY",
    ],
    "export": ["the next free version under BASE/NAME. Nothing is overwritten.", "[default: saved_models]"],
    "verify": ["a version's folder, or a model's for its newest version", "The exit code is 1, with all findings"],
    "versions": [
        "labels, scores on test, date, data, size and state",
        "A live version is one that a server sees",
        "the exit code is 1 if a line was changed or removed",
    ],
    "serve": ["or all of them, until Ctrl-C", "if `tensorflow_model_server` is on the PATH", "[default: 127.0.0.1]"],
    "load-test": ["at a rate of their own", "The exit code is 1 if a request failed", "[default: sample:test]"],
    "label": ["label [OPTIONS] NAME LABEL [VERSION]", "/v1/models/NAME/labels/LABEL", "such as /models in a container"],
    "rollback": ["the version before, as the log has it", "A second call goes back one more"],
    "retire": ["so that a server unloads it. Nothing is deleted."],
    "restore": ["back under its number"],
    "backup": ["TARGET appears when it is whole; nothing is overwritten."],
    "restore-from": ["restore-from [OPTIONS] BACKUP", "if one is there with other files, nothing comes back"],
    "keys": ["a pair that signs versions, a secret that seals them, or one that a client shows"],
    "sign": ["a version's folder (saved_models/NAME/VERSION), or NAME or NAME/VERSION under BASE"],
    "seal": ["BASE/NAME/VERSION.sealed, which servers do not load", "read back and compared"],
    "unseal": ["a folder that servers load. The sealed file stays."],
}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_with_a_description(textclf: Command, name: str) -> None:
    shown = words(textclf(name, "--help").output)
    for line in [*OPTIONS[name], *LINES[name]]:
        assert line in shown
    command: Any = main.get_command(None, name)  # type: ignore[arg-type]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    assert sorted(option.opts[0] for option in options) == sorted(line.split()[0] for line in OPTIONS[name])
    assert all(option.help for option in options)


def test_the_first_help_shows_the_way_and_every_command(textclf: Command) -> None:
    shown = textclf("--help").output
    assert 'textclf predict saved_models/messages "Where is my parcel?"' in shown
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", shown, re.MULTILINE)
    assert textclf("-h").output == shown
    assert textclf("--version").output == f"textclf, version {__version__}\n"


def test_a_misspelt_command_is_guessed(textclf: Command) -> None:
    result = textclf("trian", exit_code=2)
    assert "No such command 'trian'. Did you mean 'train'?" in result.stderr
    assert "Did you mean" not in textclf("zzz", exit_code=2).stderr


def test_help_imports_nothing_heavy() -> None:
    program = """
import sys
from click.testing import CliRunner
from textclf.cli.main import COMMANDS, main
for arguments in (["--help"], *([name, "--help"] for name in COMMANDS)):
    assert CliRunner().invoke(main, arguments).exit_code == 0
print({"tensorflow", "keras", "sklearn", "matplotlib", "optuna", "pyarrow"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
