"""Signals as a wish to stop, not as an exception anywhere."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from textclf.errors import TextclfError


class TerminatedError(TextclfError):
    """The system asked for the end (SIGTERM), and what there was is saved."""

    exit_code = 128 + signal.SIGTERM
    """What a shell gives to a command that SIGTERM ended, as schedulers know it."""


@contextmanager
def on_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C inside the block; a second one raises `KeyboardInterrupt`.

    Python raises `KeyboardInterrupt` wherever it is just then; inside a destructor it is swallowed, and
    TensorFlow runs one at the end of every epoch. A signal handler is never swallowed. Where handlers
    cannot be set (outside the main thread) or Ctrl-C is ignored, nothing changes.

    Args:
        stop: Asks for the end of the work; called in the main thread, between two Python instructions.
    """
    with _on_signal(signal.SIGINT, signal.default_int_handler, stop):
        yield


@contextmanager
def on_sigterm(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGTERM inside the block; a second one ends the process. Otherwise as `on_ctrl_c`."""
    with _on_signal(signal.SIGTERM, signal.SIG_DFL, stop):
        yield


@contextmanager
def _on_signal(number: int, default: object, stop: Callable[[], None]) -> Iterator[None]:
    handler = signal.getsignal(number)
    if threading.current_thread() is not threading.main_thread() or handler != default:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, handler)
        stop()

    signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, handler)
