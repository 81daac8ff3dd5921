"""Bodies are read as RapidJSON reads them: compared with a transliteration of its iterative parser, and with `json`."""

import json
import math
import re
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from textclf.engine.errors import RequestError
from textclf.server.rapidjson import Repeated, pairs_of, parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


class Reference:
    """RapidJSON's parser, character by character: `Parse` with the flags iterative, NaN and infinity, stop when done.

    Attributes:
        error: The message with its offset; empty if the text is good.
    """

    def __init__(self, body: bytes) -> None:
        self.body, self.at, self.error = body, 0, ""
        try:
            self.document()
        except StopIteration as stop:
            self.error = str(stop.value)

    def fail(self, message: str, at: int | None = None) -> None:
        raise StopIteration(f"{message} at offset: {self.at if at is None else at}")

    def peek(self) -> bytes:
        return self.body[self.at : self.at + 1] or b"\0"

    def consume(self, byte: bytes) -> bool:
        is_there = self.peek() == byte and self.at < len(self.body)
        self.at += is_there
        return is_there

    def space(self) -> None:
        while self.peek() in (b" ", b"\n", b"\r", b"\t"):
            self.at += 1

    def document(self) -> None:
        for byte in (b"\xef", b"\xbb", b"\xbf"):
            self.consume(byte)
        self.space()
        if self.peek() in (b"\0", b"]", b"}", b",", b":"):
            self.fail("The document is empty.")
        self.value()

    def value(self) -> None:
        start = self.peek()
        if start == b"{":
            self.object()
        elif start == b"[":
            self.array()
        elif start == b'"':
            self.string()
        elif start in b"ntf" and start != b"":
            for byte in {b"n": "null", b"t": "true", b"f": "false"}[start]:
                if not self.consume(byte.encode()):
                    self.fail("Invalid value.")
        else:
            self.number()

    def object(self) -> None:
        self.at += 1
        self.space()
        if self.consume(b"}"):
            return
        while True:
            if self.peek() != b'"':
                self.fail("Missing a name for object member.")
            self.string()
            self.space()
            if not self.consume(b":"):
                self.fail("Missing a colon after a name of object member.")
            self.space()
            self.value()
            self.space()
            if self.consume(b"}"):
                return
            if not self.consume(b","):
                self.fail("Missing a comma or '}' after an object member.")
            self.space()

    def array(self) -> None:
        self.at += 1
        self.space()
        if self.consume(b"]"):
            return
        while True:
            self.value()
            self.space()
            if self.consume(b"]"):
                return
            if not self.consume(b","):
                self.fail("Missing a comma or ']' after an array element.")
            self.space()

    def hex(self, escape: int) -> int:
        digits = self.body[self.at : self.at + 4]
        if not re.fullmatch(rb"[0-9a-fA-F]{4}", digits):
            self.fail("Incorrect hex digit after \\u escape in string.", escape)
        self.at += 4
        return int(digits, 16)

    def string(self) -> None:
        self.at += 1
        while not self.consume(b'"'):
            escape, byte = self.at, self.peek()
            if byte == b"\\":
                self.at += 1
                if self.consume(b"u"):
                    self.unicode(escape)
                elif self.peek() in (b'"', b"\\", b"/", b"b", b"f", b"n", b"r", b"t"):
                    self.at += 1
                else:
                    self.fail("Invalid escape character in string.", escape)
            elif byte == b"\0":
                self.fail("Missing a closing quotation mark in string.")
            elif byte < b" ":
                self.fail("Invalid encoding in string.")
            else:
                self.at += 1

    def unicode(self, escape: int) -> None:
        code = self.hex(escape)
        if 0xD800 <= code <= 0xDFFF:
            if code > 0xDBFF or not (self.consume(b"\\") and self.consume(b"u")):
                self.fail("The surrogate pair in string is invalid.", escape)
            if not 0xDC00 <= self.hex(escape) <= 0xDFFF:
                self.fail("The surrogate pair in string is invalid.", escape)

    def number(self) -> None:
        start = self.at
        self.consume(b"-")
        if self.peek() in (b"I", b"N"):
            for byte in {b"I": "Infinity", b"N": "NaN"}[self.peek()]:
                if not self.consume(byte.encode()):
                    self.fail("Invalid value.")
            return
        if not self.consume(b"0"):
            self.digits("Invalid value.")
        if math.isinf(float(self.body[start : self.at])):
            self.fail("Number too big to be stored in double.", start)
        if self.consume(b"."):
            self.digits("Miss fraction part in number.")
        if self.consume(b"e") or self.consume(b"E"):
            _ = self.consume(b"+") or self.consume(b"-")
            self.digits("Miss exponent in number.")
        if math.isinf(float(self.body[start : self.at])):
            self.fail("Number too big to be stored in double.", start)

    def digits(self, missing: str) -> None:
        if not self.peek().isdigit():
            self.fail(missing)
        while self.peek().isdigit():
            self.at += 1


def error_of(body: bytes) -> str:
    try:
        parse(body)
    except RequestError as error:
        return error.message.removeprefix("JSON Parse error: ")
    return ""


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Draw a document, cut, spliced or with bytes put in that mean something to a parser."""
    dumped = st.tuples(VALUES, st.booleans()).map(lambda drawn: json.dumps(drawn[0], ensure_ascii=drawn[1]).encode())
    body = draw(dumped)
    tokens = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00", b"\\u0041", b"\n", b"\0"]
    tokens += [
        b"1",
        b"-",
        b"1.",
        b"0.5",
        b"1e",
        b"1e+",
        b"1e999",
        b"9" * 19,
        b"1" * 400,
        b" ",
        b"\xff",
        b"\xef\xbb\xbf",
    ]
    tokens += [b"nul", b"true", b"NaN", b"Infinity", b"Infinit", b"-Infinity"]
    for _ in range(draw(st.integers(1, 4))):
        first, second = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
        middle = draw(st.sampled_from([b"", *tokens]) | st.binary(max_size=3) | dumped)
        body = body[:first] + middle + body[draw(st.sampled_from([first, second])) :]
    return body


@given(VALUES, st.booleans(), st.sampled_from([b"", b" x", b"\n]", b"\xff"]))
def test_good_json_is_read_as_json_does(value: Any, is_ascii: bool, rest: bytes) -> None:
    read = parse(json.dumps(value, ensure_ascii=is_ascii).encode() + rest)
    assert repr(read) == repr(json.loads(json.dumps(value)))


@given(broken() | st.binary())
@example(b"")
@example(b"[1, 2")
@example(b'{"\\ud83d": 1.}')
@example(b"[1.5.2]")
@example(b'["\\\\ud83d\\udc00"]')
@example(b'["1e999", 1e999]')
@example(b"1.")
@example(b'["\\x"]')
@example(b'["\\')
@example(b'["\\u12"]')
@example(b'["\\ud83d\\uzzzz"]')
@example(b'["\\ud83d\n"]')
@example(b'["a\nb"]')
@example(b'["a\0b"]')
@example(b'["ab')
@example(b'{"a" 1}')
@example(b'{"a": 1,}')
@example(b"[1,]")
@example(b"[tru]")
@example(b"[-]")
@example(b"]")
@example(b" ")
@example(b'["1e9", 0.1e9, 1' + b"0" * 5000 + b"]")
@example(b'{"a":[],"b":{"c":1 "d":2}}')
@example(b'{"a":{"c":1}, "b":["x" 1]}')
def test_errors_are_those_of_rapidjson(body: bytes) -> None:
    # Three spellings of numbers are knowingly refused.
    if not re.search(rb"Inf(?!inity)|-NaN", body) and not body.startswith((b"\xef", b"\xbb", b"\xbf")):
        assert error_of(body) == (Reference(body).error if body else "The document is empty")


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (b"[1, 1.0, 1e2, -0, -0.0]", [int, float, float, int, float]),
        (b"[9223372036854775807, 18446744073709551615, 18446744073709551616]", [int, int, float]),
        (b"[-9223372036854775808, -9223372036854775809]", [int, float]),
        (b"[NaN, Infinity, -Infinity]", [float, float, float]),
    ],
)
def test_numbers_keep_their_kind(body: bytes, kinds: list[type]) -> None:
    assert [type(value) for value in parse(body)] == kinds


def test_bytes_that_are_no_text_pass() -> None:
    assert parse(b'["\xff\xfe\xed\xa0\x80"]')[0].encode("utf-8", "surrogateescape") == b"\xff\xfe\xed\xa0\x80"


def test_a_byte_order_mark_passes() -> None:
    assert parse(b'\xef\xbb\xbf {"a": 1}') == {"a": 1}
    assert error_of(b"\xef\xbb\xbf[1,]") == "Invalid value. at offset: 6"


def test_the_first_of_equal_keys_counts() -> None:
    value = parse(b'{"a": 1, "b": 2, "a": 3}')
    assert value == {"a": 1, "b": 2}
    assert isinstance(value, Repeated)
    assert pairs_of(value) == [("a", 1), ("b", 2), ("a", 3)]
    assert pairs_of({"a": 1}) == [("a", 1)]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b"[[],[]," + b"[]," * 100_000 + b"}",
        b'["' + b"\\n" * 1_000_000,
        b'["' + b"\\u0041" * 300_000 + b"\\ud800",
        b"[" + b"9" * 2_000_000,
        b"[" + b"9," * 100_000 + b"1e999",
        b"-" * 1_000_000,
        b"[" + b"1" * 17 + b"e" * 1_000_000,
        b'{"a":1,' * 300 + b'"b":2 ' + b"x" * 1_000_000,
        b'"' + b'\\"' * 1_000_000,
        b"[" + b"Infinity," * 100_000,
    ],
    ids=lambda body: body[:12].decode(),
)
def test_large_bad_bodies_are_refused_at_once(body: bytes) -> None:
    start = time.process_time()
    assert error_of(body)
    assert time.process_time() - start < 2  # Seconds; each takes a fraction of one.
