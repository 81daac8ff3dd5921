"""Vocabularies: counts, order, limits and files."""

import random
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.config import TextConfig
from textclf.errors import RunError
from textclf.text.splitting import SPLITTERS
from textclf.text.vocabulary import PADDING, UNKNOWN, learn_vocabulary, load_vocabulary, save_vocabulary

corpora = st.lists(
    st.text(st.sampled_from("ab 我的Ａß!é\u3000") | st.characters(exclude_categories=["Cs"])), max_size=8
)


def plain_vocabulary(texts: list[str], config: TextConfig) -> list[str]:
    """Return what `learn_vocabulary` should, counted one text at a time."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(token.decode() for token in SPLITTERS[config.tokens](tf.constant([text])).to_list()[0])
    tokens = sorted((token for token in counts if counts[token] >= config.min_count), key=lambda t: (-counts[t], t))
    return [PADDING, UNKNOWN, *tokens][: config.max_size]


@settings(max_examples=25)
@given(corpora, st.sampled_from(["words", "characters"]), st.integers(1, 3), st.integers(3, 12), st.randoms())
def test_equals_a_plain_counter_in_any_order(
    texts: list[str], tokens: str, min_count: int, max_size: int, shuffler: random.Random
) -> None:
    config = TextConfig(tokens=tokens, min_count=min_count, max_size=max_size)  # type: ignore[arg-type]
    vocabulary = learn_vocabulary(texts, config)
    assert vocabulary == plain_vocabulary(texts, config)
    assert len(set(vocabulary)) == len(vocabulary) <= max_size
    shuffler.shuffle(texts)
    assert learn_vocabulary(texts, config) == vocabulary


def test_order_min_count_and_max_size() -> None:
    texts = ["c b a", "b a 我", "B d"] * 1000  # more than one batch
    assert learn_vocabulary(texts, TextConfig()) == [PADDING, UNKNOWN, "b", "a", "c", "d", "我"]
    assert learn_vocabulary(["b a", "b"], TextConfig()) == [PADDING, UNKNOWN, "b"]  # once is too rare by default
    assert learn_vocabulary(texts, TextConfig(min_count=2000)) == [PADDING, UNKNOWN, "b", "a"]
    assert learn_vocabulary(texts, TextConfig(max_size=3)) == [PADDING, UNKNOWN, "b"]
    assert learn_vocabulary([], TextConfig()) == [PADDING, UNKNOWN]


@settings(max_examples=25)
@given(corpora)
def test_a_written_vocabulary_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.txt"
    vocabulary = learn_vocabulary(texts, TextConfig(min_count=1))
    save_vocabulary(vocabulary, path)
    assert load_vocabulary(path) == vocabulary
    assert path.read_bytes().count(b"\n") == len(vocabulary)


def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.txt"
    with pytest.raises(RunError, match="copy the whole run directory"):
        load_vocabulary(path)
    path.write_text("hello\nworld\n", encoding="utf-8")
    with pytest.raises(
        RunError, match=r"should start with the lines \[PAD\] and \[UNK\], but starts \['hello', 'world'\]"
    ):
        load_vocabulary(path)
    path.write_bytes(b"[PAD]\n[UNK]\n\xff\n")
    with pytest.raises(RunError, match=r"cannot be read as UTF-8"):
        load_vocabulary(path)
