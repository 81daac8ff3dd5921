"""Requests that must not end a server: whatever comes over the network reaches the graph."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.savedmodel.signatures import EXAMPLES, TEXT, TEXT_PAIR, example

_HALF = 500_000
_LONG = ("parcel money 验证码 " * _HALF)[:_HALF] + "x" * _HALF
TEXTS = {
    "an empty text": b"",
    "invalid UTF-8": b"caf\xe9 \xff\xfe\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xe9\xaa",
    "a text of NUL and control characters": b"\x00 a\x00b \x01\x7f \xef\xbf\xbf",
    "a text of a million characters": _LONG.encode(),
}
"""What a batch of one may hold."""


def hostile(names: list[str]) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Yield what to send to a signature that takes strings, each with its name.

    Args:
        names: The names of its inputs.

    Example:
        >>> dict(hostile(["text"]))["rank 0"]
        {'text': array(b'parcel', dtype=object)}
    """
    plain = {name: _content(name, b"parcel") for name in names}
    for what, shape in {"rank 0": (), "rank 2": (2, 2), "an empty batch": (0,)}.items():
        yield what, {name: np.full(shape, plain[name], object) for name in names}
    for what, text in TEXTS.items():
        yield what, {name: np.full(1, _content(name, text), object) for name in names}
    if EXAMPLES in names:
        yield "garbage instead of an Example", {name: np.full(1, b"\xff\x00no Example", object) for name in names}
    if len(names) > 1:
        yield (
            "batches of two sizes",
            {name: np.full(2 + position, plain[name], object) for position, name in enumerate(names)},
        )


def _content(name: str, text: bytes) -> bytes:
    """Return what an input gets for a text: the text, or an Example with it."""
    return example({TEXT: text, TEXT_PAIR: text}) if name == EXAMPLES else text
