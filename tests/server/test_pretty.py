"""Values are quoted as RapidJSON's PrettyWriter writes them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.server.pretty import QUOTED, quote, string
from textclf.server.rapidjson import parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


@given(VALUES)
def test_a_quote_is_json_of_the_value(value: Any) -> None:
    assert json.dumps(json.loads(quote(value))) == json.dumps(value)


@given(TEXTS)
def test_a_string_is_json_of_it(text: str) -> None:
    assert json.loads(string(text)) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1.0"),
        (1e2, "100.0"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (0.000001234, "0.000001234"),
        (1.5e-7, "1.5e-7"),
        (1e20, "100000000000000000000.0"),
        (1e21, "1e21"),
        (1.234e30, "1.234e30"),
        (123456.789, "123456.789"),
        (True, "true"),
        (None, "null"),
        ([], "[]"),
        ({}, "{}"),
        ([[1, 2], []], "[[1, 2], []]"),
        ("\x00\x1f\x7f/é", '"\\u0000\\u001F\x7f/é"'),
    ],
)
def test_layout(value: Any, expected: str) -> None:
    assert quote(value) == expected


def test_all_of_equal_keys_are_quoted() -> None:
    assert (
        quote(parse(b'{"a": 1, "a": [{"b": 2}]}')) == '{\n    "a": 1,\n    "a": [{\n            "b": 2\n        }]\n}'
    )


@pytest.mark.parametrize(
    "value",
    [
        "a" * 10_000_000,
        list(range(1_000_000)),
        parse(b'{"a":' * 500 + b"[" + b'{"a":1},' * 100_000 + b"1]" + b"}" * 500),
    ],
    ids=["long", "wide", "deep"],
)
def test_a_quote_is_cut(value: Any) -> None:
    text = quote(value)
    assert len(text) == QUOTED + 1
    assert text.endswith("…")
