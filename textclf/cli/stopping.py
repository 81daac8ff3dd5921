"""SIGTERM as Ctrl-C: a command that writes leaves nothing half-written when a scheduler or a container ends it."""

import functools
from collections.abc import Callable
from typing import Any

from textclf.training.interruption import TerminatedError, on_sigterm


def cleans_up(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command end at SIGTERM as it does at Ctrl-C, with SIGTERM's exit code; a second one ends it at once."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        asked = False

        def interrupt() -> None:
            nonlocal asked
            asked = True
            raise KeyboardInterrupt

        try:
            with on_sigterm(interrupt):
                command(*arguments, **options)
        except KeyboardInterrupt:
            if asked:
                raise TerminatedError("Stopped by SIGTERM.") from None
            raise

    return run
