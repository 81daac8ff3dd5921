"""What may be handed over as texts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.text.inputs import as_bytes


@given(st.lists(st.text() | st.binary()))
def test_strings_become_utf_8_and_bytes_stay(texts: list[str | bytes]) -> None:
    assert as_bytes(texts) == [text if isinstance(text, bytes) else text.encode() for text in texts]
    assert as_bytes(iter(texts)) == as_bytes(tuple(texts))


def test_half_a_surrogate_pair_is_no_error() -> None:
    assert as_bytes(["a\ud800"]) == [b"a\xed\xa0\x80"]  # no UTF-8: the tokenizer reads U+FFFD


def test_numpys_strings_are_strings() -> None:
    assert as_bytes(np.array(["a", "你"])) == [b"a", "你".encode()]


@pytest.mark.parametrize("texts", ["abc", b"abc", 5, None])
def test_one_thing_is_not_many(texts: Any) -> None:
    with pytest.raises(TypeError, match=rf"expected a list .* of strings, got one {type(texts).__name__}\. .*\[text\]"):
        as_bytes(texts)


@pytest.mark.parametrize("wrong", [None, 1.5, ["a"]], ids=["None", "float", "list"])
def test_what_is_no_string_is_named_with_its_place(wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"expected strings, got {type(wrong).__name__} at position 2: "):
        as_bytes(["a", b"b", wrong])
    with pytest.raises(TypeError, match="at position 1002: "):
        as_bytes(["a", b"b", wrong], first=1000)
