r"""JSON as TensorFlow Serving reads it: RapidJSON's iterative parser, with its messages and offsets.

What is found in good JSON: the first of equal keys, text after the value ignored, bytes that are no UTF-8 passed on,
NaN and Infinity as numbers, an integer beyond 64 bits as a float. The work is done by the scanner in C of the `json`
module; where that one stops, what RapidJSON says there is worked out from the place, so that no request, good or bad,
is read character by character in Python.

Two things are knowingly otherwise: values nested deeper than the interpreter's recursion limit (about 900 levels) are
refused, because reading them would take the server down, and so are the spellings `Inf`, `-Inf` and `-NaN`.
"""

import json
import re
from typing import Any, Never

import numpy as np

from textclf.engine.errors import Code, RequestError

_SPACE = re.compile(r"\ufeff?[ \t\r\n]*")
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_LONG = b"0" * 19
"""As many digits as an integer beyond 64 bits has at least."""
_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)

_HEX = "[0-9a-fA-F]"
# A pair of surrogates is one character; one alone is none.
_ESCAPE = (
    rf'\\(?:["\\/bfnrt]|u(?:[0-9a-cA-Ce-fE-F]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}}'
    rf"|[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}))"
)
_GOOD_ESCAPES = re.compile(rf"(?:[^\\]++|{_ESCAPE})*+")
_BAD_HEX = re.compile(rf"\\u(?!{_HEX}{{4}})|\\u[dD][89abAB]{_HEX}{{2}}\\u(?!{_HEX}{{4}})")
_STRINGS = re.compile(_STRING, re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BEGUN_LITERAL = re.compile(r"n(ul?)?|t(ru?)?|f(a(ls?)?)?|-?(N(aN?)?|I(n(f(i(n(it?)?)?)?)?)?)?")
_NO_NAME, _NO_VALUE = "Missing a name for object member.", "Invalid value."
_NUMBER_CHARACTERS = "0123456789.eE+-"


class Repeated(dict[str, Any]):
    """An object in which a key stands more than once: a `dict` of the first value of each key.

    Attributes:
        pairs: All keys and values, in the order of the text.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        """Keep both."""
        super().__init__(reversed(pairs))
        self.pairs = pairs


class _TooBigError(ValueError):
    """A number that no float holds; its argument is the number as it was written."""


def parse(body: bytes) -> Any:
    r"""Return the value that a body holds.

    Args:
        body: The bytes of a request.

    Returns:
        None, bool, int (of 64 bits), float, str (bytes that are no UTF-8 as surrogates, as `surrogateescape` does),
        list or dict (a `Repeated` if a key stands in it twice).

    Raises:
        RequestError: INVALID_ARGUMENT, worded as by RapidJSON, with the offset in bytes.

    Example:
        >>> parse(b'{"instances": ["a", 1.0], "instances": 2} and more')
        {'instances': ['a', 1.0]}
        >>> parse(b'{"instances": [1,]}')
        Traceback (most recent call last):
        ...
        textclf.engine.errors.RequestError: JSON Parse error: Invalid value. at offset: 17
    """
    if not body:
        raise _error("The document is empty")
    text = body.decode("utf-8", "surrogateescape")
    decoder = _long_decoder if _LONG in body.translate(_TO_ZERO) else _decoder
    try:
        value, end = decoder.raw_decode(text, _after(_SPACE, text))
    except json.JSONDecodeError as error:
        _raise_at(text, *_MESSAGES[error.msg.rstrip(": ")](text, error.pos))
    except _TooBigError as error:
        _raise_at(text, "Number too big to be stored in double.", _offset_of_number(text, str(error)))
    except RecursionError:
        raise _error("The document is nested too deeply.") from None
    if ("\\ud" in text or "\\uD" in text) and (bad := _after(_GOOD_ESCAPES, text[:end])) < end:
        _raise_at(text, *_bad_escape(text, bad))
    if not isinstance(value, (dict, list)) and (tail := _number_tail(text, end)):
        _raise_at(text, *tail)
    return value


def pairs_of(members: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the keys and values of an object as they stood in the text, equal keys included.

    Example:
        >>> pairs_of(parse(b'{"a": 1, "a": 2}'))
        [('a', 1), ('a', 2)]
    """
    return members.pairs if isinstance(members, Repeated) else list(members.items())


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else Repeated(pairs)


def _float(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise _TooBigError(number)
    return value


def _long(number: str) -> int | float:
    """Return an integer; one beyond 64 bits becomes a float, which also keeps `int` from ever longer digits."""
    if len(number) <= 20 and -(2**63) <= (value := int(number)) < 2**64:
        return value
    return _float(number)


_decoder = json.JSONDecoder(object_pairs_hook=_members, parse_float=_float)
_long_decoder = json.JSONDecoder(object_pairs_hook=_members, parse_float=_float, parse_int=_long)


def _error(message: str) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, f"JSON Parse error: {message}")


def _raise_at(text: str, message: str, place: int) -> Never:
    """Raise what is found at a place of the text, unless an escape before it is bad, which RapidJSON meets first."""
    bad = _after(_GOOD_ESCAPES, text[:place])
    if bad < place:
        message, place = _bad_escape(text, bad)
    offset = len(text[:place].encode("utf-8", "surrogateescape"))
    raise _error(f"{message} at offset: {offset}") from None


def _after(pattern: re.Pattern[str], text: str, place: int = 0) -> int:
    """Return where a pattern that also matches nothing ends."""
    match = pattern.match(text, place)
    return match.end() if match else place


def _no_value(text: str, place: int) -> tuple[str, int]:
    """Return the message and the place for what stands where a value should: the first character that cannot be."""
    if place == _after(_SPACE, text) and text[place : place + 1] in ("", "\0", *"]},:"):
        return "The document is empty.", place
    return _NO_VALUE, _after(_BEGUN_LITERAL, text, place)


def _no_comma(text: str, place: int) -> tuple[str, int]:
    if tail := _number_tail(text, place):
        return tail
    if _open_bracket(text[:place]) == "{":
        return "Missing a comma or '}' after an object member.", place
    return "Missing a comma or ']' after an array element.", place


def _number_tail(text: str, place: int) -> tuple[str, int] | None:
    """Return what is wrong with a number that breaks off here, such as `1.` or `1e+`; None if that is not the case."""
    before, mark = text[:place], text[place : place + 1]
    number = before[len(before.rstrip(_NUMBER_CHARACTERS)) :]
    if not before[-1:].isdecimal() or mark not in (".", "e", "E"):
        return None
    if mark == "." and not set(number) & set(".eE"):
        return "Miss fraction part in number.", place + 1
    if mark != "." and not set(number) & set("eE"):
        return "Miss exponent in number.", place + 1 + (text[place + 1 : place + 2] in ("+", "-"))
    return None


def _open_bracket(good: str) -> str:
    """Return the bracket that is open at the end of a good beginning of a document."""
    brackets = np.frombuffer(_STRINGS.sub("", good).encode("ascii", "replace").translate(None, _NOT_BRACKETS), np.uint8)
    opens = (brackets == ord("[")) | (brackets == ord("{"))
    depth = np.where(opens, 1, -1).cumsum()
    return chr(brackets[np.flatnonzero(opens & (depth == depth[-1]))[-1]])


def _bad_string(text: str, _: int) -> tuple[str, int]:
    """Return what is wrong in a string with a bad escape, or in one that does not end."""
    bad = _after(_GOOD_ESCAPES, text)
    return _bad_escape(text, bad) if bad < len(text) else ("Missing a closing quotation mark in string.", bad)


def _bad_escape(text: str, place: int) -> tuple[str, int]:
    if text[place + 1 : place + 2] != "u":
        return "Invalid escape character in string.", place
    if _BAD_HEX.match(text, place):
        return "Incorrect hex digit after \\u escape in string.", place
    return "The surrogate pair in string is invalid.", place


def _bad_character(text: str, place: int) -> tuple[str, int]:
    if text[place] == "\0":
        return "Missing a closing quotation mark in string.", place
    return "Invalid encoding in string.", place


def _offset_of_number(text: str, number: str) -> int:
    """Return where a number stands first outside of strings."""
    # The beginning of a number of any length will do, and makes a pattern of bounded length.
    here = rf"(?<![0-9.eE+-]){re.escape(number[:400])}"
    before = re.compile(rf'(?:{_STRING}|[^"0-9-]++|(?!{here})[0-9-])*+', re.DOTALL)
    return _after(before, text)


_MESSAGES = {
    "Expecting value": _no_value,
    "Expecting property name enclosed in double quotes": lambda _, place: (_NO_NAME, place),
    "Expecting ':' delimiter": lambda _, place: ("Missing a colon after a name of object member.", place),
    "Expecting ',' delimiter": _no_comma,
    # Python 3.13 and later say this of the comma, RapidJSON of what follows it.
    "Illegal trailing comma before end of object": lambda text, place: (_NO_NAME, _after(_SPACE, text, place + 1)),
    "Illegal trailing comma before end of array": lambda text, place: (_NO_VALUE, _after(_SPACE, text, place + 1)),
    "Unterminated string starting at": _bad_string,
    "Invalid \\escape": _bad_string,
    "Invalid \\uXXXX escape": _bad_string,
    "Invalid control character at": _bad_character,
}
