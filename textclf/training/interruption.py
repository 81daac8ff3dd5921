"""Ctrl-C as a wish to stop, not as an exception anywhere."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C inside the block; a second one raises `KeyboardInterrupt`.

    Python raises `KeyboardInterrupt` wherever it is just then; inside a destructor it is swallowed, and
    TensorFlow runs one at the end of every epoch. A signal handler is never swallowed. Where handlers
    cannot be set (outside the main thread) or Ctrl-C is ignored, nothing changes.

    Args:
        stop: Asks for the end of the work; called in the main thread, between two Python instructions.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
