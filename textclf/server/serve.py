"""The local server in the foreground: until a signal ends it, or a second one its process."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from textclf.server.app import LocalServer, Options, patient
from textclf.server.limits import take_descriptors

WHAT_IT_IS = (
    "This is textclf's local server, for development and tests. It is not TensorFlow Serving, whose contract it keeps."
)
_LOAD_SECONDS = 1.0
"""For a version that is just being loaded, once all is answered."""


async def serve(options: Options, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; a second one ends the process at once.

    Args:
        options: What is served, and how.
        say: What tells the operator; called with a line at a time.

    Raises:
        TextclfError: There is no such model, a file is not as expected, or a port is taken.
    """
    say = patient(say)
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_end.set)
    say(WHAT_IT_IS)
    if warning := take_descriptors(options.limits):
        say(warning)
    server = LocalServer(options, say)
    starting = asyncio.create_task(server.start())
    ending = asyncio.create_task(told_to_end.wait())
    await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        say("Ended while loading.")
        _end_now(0)
    await starting
    _spare_the_collector()
    for line in server.addresses():
        say(line)
    await ending
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    say("Ending: what runs is answered, and nothing more is accepted. A second signal ends it at once.")
    if not await server.stop():
        _end_now(1)
    closing = asyncio.create_task(server.close())
    await asyncio.wait({closing}, timeout=_LOAD_SECONDS)
    if not closing.done():
        say("What was being loaded is given up.")
        _end_now(0)
    await closing


def _spare_the_collector() -> None:
    """Let Python look for cycles seldom, and not among what stays.

    JSON of many lists makes it look again and again, and whoever asks meanwhile waits: 4 MiB of `[[]]` are parsed in
    0.25 s so, and in 2.8 s as Python sets it. What is forgotten is freed all the same, for answers leave no cycles.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _end_now(exit_code: int) -> NoReturn:
    """End the process with its threads: one that is inside TensorFlow hears of nothing."""
    os._exit(exit_code)
