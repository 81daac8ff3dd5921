r"""JSON as TensorFlow Serving's messages quote it: RapidJSON's PrettyWriter, four spaces deep, arrays on one line.

Knowingly otherwise: a quote ends with `…` after `QUOTED` characters, so that no request makes a message many times its
own length, and NaN and Infinity are quoted as such, where RapidJSON's writer breaks off.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from textclf.server.rapidjson import pairs_of

QUOTED = 65_536
"""The characters of a value that a message quotes at most."""

_as_json = json.JSONEncoder(ensure_ascii=False).encode
_CONTROLS = {code: f"\\u{code:04X}" for code in range(0x20)} | {
    ord("\b"): "\\b", ord("\t"): "\\t", ord("\n"): "\\n", ord("\f"): "\\f", ord("\r"): "\\r", ord('"'): '\\"',
    ord("\\"): "\\\\",
}  # fmt: skip


def string(text: str) -> str:
    r"""Return a string between quotes: other characters than the quote, the backslash and controls stay what they are.

    Example:
        >>> print(string('a "quote" / é\x1f'))
        "a \"quote\" / é\u001F"
    """
    quoted = _as_json(text)
    # Only the digits of rare controls are written in lower case there.
    return f'"{text.translate(_CONTROLS)}"' if "\\u00" in quoted else quoted


def quote(value: Any) -> str:
    r"""Return a parsed value as a message quotes it.

    Example:
        >>> print(quote({"instances": [{"text": "a"}, 1, 1e2]}))
        {
            "instances": [{
                    "text": "a"
                }, 1, 100.0]
        }
    """
    pieces: list[str] = []
    room = QUOTED
    for piece in _pieces(value):
        if len(piece) > room:
            return "".join(pieces) + piece[:room] + "…"
        pieces.append(piece)
        room -= len(piece)
    return "".join(pieces)


def _pieces(value: Any) -> Iterator[str]:
    """Yield the text of a value piece by piece; without recursion, for requests may be nested deeply."""
    levels: list[tuple[Iterator[tuple[str, Any]], str]] = [(iter([("", value)]), "")]
    while levels:
        items, closing = levels[-1]
        for lead, item in items:
            yield lead
            if item and isinstance(item, dict):
                yield "{"
                levels.append((_members(item, "\n" + "    " * len(levels)), "\n" + "    " * (len(levels) - 1) + "}"))
                break
            if item and isinstance(item, list):
                yield "["
                levels.append((_elements(item), "]"))
                break
            yield _scalar(item)
        else:
            yield closing
            levels.pop()


def _members(members: dict[str, Any], indent: str) -> Iterator[tuple[str, Any]]:
    for i, (name, value) in enumerate(pairs_of(members)):
        yield f"{',' if i else ''}{indent}{string(name)}: ", value


def _elements(elements: list[Any]) -> Iterator[tuple[str, Any]]:
    for i, value in enumerate(elements):
        yield ", " if i else "", value


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        # What is cut off later need not be written first.
        return string(value[:QUOTED]) if len(value) > QUOTED else string(value)
    return _float(value) if isinstance(value, float) and value - value == 0 else _as_json(value)


def _float(value: float) -> str:
    """Return a finite float as RapidJSON's `Prettify` lays out its shortest digits."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, minus = "".join(map(str, digits)), "-" * sign
    point = len(text) + int(exponent)  # How many digits stand before the point.
    if value == 0:
        return f"{minus}0.0"
    if len(text) <= point <= 21:
        return f"{minus}{text.ljust(point, '0')}.0"
    if 0 < point <= 21:
        return f"{minus}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    return f"{minus}{text[0]}{'.' * (len(text) > 1)}{text[1:]}e{point - 1}"
