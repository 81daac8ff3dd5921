"""Strings into token strings: what is a token, for any text at all."""

import unicodedata

import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from textclf.text.splitting import SPLITTERS, normalize, split_characters, split_words


def words(text: str | bytes) -> list[str]:
    return [token.decode() for token in split_words(tf.constant([text])).to_list()[0]]


def characters(text: str | bytes) -> list[str]:
    return [token.decode() for token in split_characters(tf.constant([text])).to_list()[0]]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I can't log in!", "i can ' t log in !"),
        ("$5.00 (50%)", "$ 5 . 00 ( 50 % )"),
        ("state-of-the-art", "state - of - the - art"),
        ("a_b C++ x²", "a _ b c + + x2"),
        ("我的快递到哪了？", "我 的 快 递 到 哪 了 ?"),
        ("my订单Order登录 APP", "my 订 单 order 登 录 app"),
        ("ＡＢＣ１２，ｄ", "abc12 , d"),
        ("Straße STRASSE", "strasse strasse"),
        ("ﬁne ½", "fine 1 ⁄ 2"),
        ("ひらがなカナｶﾅー漢", "ひ ら が な カ ナ カ ナ ー 漢"),
        ("𠀀㐀々", "𠀀 㐀 々"),
        ("한국어 문장", "한국어 문장"),
        ("cafe\u0301 Äpfel naïve", "café äpfel naïve"),
        ("अनुच्छेद ไทย", "अनुच्छेद ไทย"),
        ("ok👍👍🏽", "ok 👍 👍 🏽"),
        ("👩\u200d👩", "👩 👩"),
        ("a\0b\x1bc\u0085d", "a b c d"),
        ("de\u00adlivery free\u200bmail \ufeffx", "delivery freemail x"),
        ("a\u3000b\u00a0c\td\r\ne\u2028f", "a b c d e f"),
        ("", ""),
        (" \t\n\u200b", ""),
    ],
)
def test_words(text: str, tokens: str) -> None:
    assert words(text) == tokens.split(" ") if tokens else words(text) == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Go 去 1!", "go去1!"),
        ("ß", "ss"),
        ("a\0 \u200bb", "ab"),
        ("カｶ", "カカ"),
        ("e\u0301", "é"),
        ("", ""),
        (" ", ""),
    ],
)
def test_characters(text: str, tokens: str) -> None:
    assert characters(text) == list(tokens)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (b"\xff\xfea\xc3", ["\ufffd", "\ufffd", "a", "\ufffd"]),
        (b"good \xe4\xbd bye", ["good", "\ufffd", "bye"]),
        (b"\xed\xa0\x80", ["\ufffd"] * 3),  # half a surrogate pair
    ],
)
def test_broken_utf8_becomes_replacement_characters(text: bytes, tokens: list[str]) -> None:
    assert words(text) == tokens


@pytest.mark.parametrize("splitter", SPLITTERS.values())
@pytest.mark.parametrize("texts", [[], [""], ["", "a"]])
def test_empty_batches_and_texts(splitter: object, texts: list[str]) -> None:
    tokens = splitter(tf.constant(texts, tf.string))  # type: ignore[operator]
    assert tokens.shape[0] == len(texts)
    assert tokens.row_lengths().numpy().tolist() == [len(text) for text in texts]


@given(st.lists(st.binary(), max_size=4))
@example([b"\xf8\x88\x80\x80\x80"])
@example([b"\xf4\x90\x80\x80"])
def test_any_bytes_have_tokens_of_valid_utf8_without_white_space(texts: list[bytes]) -> None:
    batch = tf.constant(texts, tf.string)
    for splitter in SPLITTERS.values():
        for tokens in splitter(batch).to_list():
            for token in tokens:
                assert token.decode()
                assert len(token.decode().split()) == 1


@given(st.text())
def test_characters_are_those_of_the_words(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert characters(text) == [character for word in words(text) for character in word]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_composed_and_decomposed_texts_are_the_same(text: str) -> None:
    assert words(unicodedata.normalize("NFC", text)) == words(unicodedata.normalize("NFD", text))


@given(st.text(st.sampled_from("我的快递ひカ!?,。，-"), max_size=20))
def test_every_cjk_character_and_mark_is_its_own_token(text: str) -> None:
    assert words(text) == list(unicodedata.normalize("NFKC", text))


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_text_has_the_tokens_it_has_alone(texts: list[str]) -> None:
    encoded = [text.encode("utf-8", "replace") for text in texts]
    together = split_words(tf.constant(encoded)).to_list()
    assert [[token.decode() for token in tokens] for tokens in together] == [words(text) for text in encoded]


def test_normalize_keeps_the_shape() -> None:
    assert normalize(tf.constant([["Ａ", "ß"]])).numpy().tolist() == [[b"a", b"ss"]]
    assert normalize(tf.constant("Ａ")).numpy() == b"a"
