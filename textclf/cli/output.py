"""Where a command writes: a file that is whole or not there, or standard output."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from textclf.writing import replacing

STDOUT = "-"
PIPE_CLOSED = 141
"""The exit code that shells give to a command whose reader is gone, such as `| head`."""


@contextmanager
def opened(out: str) -> Iterator[IO[str]]:
    """Open the output as UTF-8; a file takes its name when it is whole, so that a failure leaves nothing half-written.

    Args:
        out: Path, or `-` for standard output, where a reader that has read enough ends the command without a word.
    """
    path = Path(out)
    if out == STDOUT:
        if isinstance(sys.stdout, io.TextIOWrapper):  # whatever the locale says
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_standard_output()
            raise click.exceptions.Exit(PIPE_CLOSED) from None
    elif path.exists() and not path.is_file():  # a named pipe, /dev/stdout
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    else:
        with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
            yield file


def _forget_standard_output() -> None:
    """Send what is still buffered nowhere: Python writes it when it ends, and would complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
