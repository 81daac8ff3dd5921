"""What the tests of the command line share."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from textclf.cli.main import main

Command = Callable[..., Result]


@pytest.fixture
def textclf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in an empty folder; one that fails must do so with a message and exit code 1."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, exit_code: int = 0, stdin: bytes = b"") -> Result:
        buffered: Any = io.BufferedReader(io.BytesIO(stdin))  # as `sys.stdin.buffer` is
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=buffered)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return run
