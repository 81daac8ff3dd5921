"""Measure the tokenizer in texts per second, beside Keras' TextVectorization on the same texts.

    python tools/tokenizer_speed.py                        the sample data, repeated to 10,000 texts
    python tools/tokenizer_speed.py mr/all.tsv.gz          the texts of a TSV file (column `text`)

Both turn strings into padded ids, in batches of 1,024: called eagerly, and inside `tf.data`. They take turns in one
process, so that whatever else the machine does meets both. Each has had one round to trace and warm up.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import keras
import tensorflow as tf

from textclf.config import DataConfig, TextConfig
from textclf.data import Example, read
from textclf.text.words import WordTokenizer

BATCH = 1024
SAMPLE_TEXTS = 10_000

Tokenize: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
Way: TypeAlias = Callable[[Tokenize, list[str]], None]


def main() -> None:
    """Measure, then print the speeds and their ratios."""
    options = _options()
    texts = _texts(options.source, options.text_column)
    characters = sum(map(len, texts)) / len(texts)
    print(f"{len(texts):,} texts of {characters:.0f} characters on average, {os.cpu_count()} cores")
    speeds = _measure({"textclf": _ours(texts), "TextVectorization": _theirs(texts)}, texts, options.repeats)
    for way in WAYS:
        ours, theirs = speeds[way, "textclf"], speeds[way, "TextVectorization"]
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        for name, measured in (("textclf", ours), ("TextVectorization", theirs)):
            print(f"{way:8} {name:18} {statistics.median(measured):>9,.0f} texts/s  ({_range(measured, ',.0f')})")
        print(f"{way:8} {'ratio':18} {statistics.median(ratios):>9.2f}          ({_range(ratios, '.2f')})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", nargs="?", help="TSV file, also .gz; the sample data if not given")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--repeats", type=int, default=7)
    return parser.parse_args()


def _texts(source: str | None, text_column: str) -> list[str]:
    config = DataConfig(train=source or "sample:train", text_column=text_column)
    texts = [row.text for row in read(config.train, config) if isinstance(row, Example)]
    return texts if source else list(itertools.islice(itertools.cycle(texts), SAMPLE_TEXTS))


def _ours(texts: list[str]) -> Tokenize:
    return WordTokenizer.learn(texts, TextConfig())


def _theirs(texts: list[str]) -> Tokenize:
    """Return Keras' layer as it comes: lower case, punctuation taken out, split at white space."""
    layer = keras.layers.TextVectorization()
    layer.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(BATCH))
    return layer


def _eager(tokenize: Tokenize, texts: list[str]) -> None:
    for start in range(0, len(texts), BATCH):
        tokenize(tf.constant(texts[start : start + BATCH]))


def _in_tf_data(tokenize: Tokenize, texts: list[str]) -> None:
    for _ in tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).map(tokenize, tf.data.AUTOTUNE).prefetch(2):
        pass


WAYS: dict[str, Way] = {"eager": _eager, "tf.data": _in_tf_data}


def _measure(tokenizers: dict[str, Tokenize], texts: list[str], repeats: int) -> dict[tuple[str, str], list[float]]:
    """Return the texts per second of every round, by way and tokenizer; who begins a round alternates."""
    speeds: dict[tuple[str, str], list[float]] = {(way, name): [] for way in WAYS for name in tokenizers}
    for way, name, round_number in _turns(list(tokenizers), repeats):
        started = time.perf_counter()
        WAYS[way](tokenizers[name], texts)
        if round_number:  # the first one traces and warms up
            speeds[way, name].append(len(texts) / (time.perf_counter() - started))
    return speeds


def _turns(names: list[str], repeats: int) -> Iterator[tuple[str, str, int]]:
    for round_number in range(repeats + 1):
        for way in WAYS:
            for name in names if round_number % 2 else reversed(names):
                yield way, name, round_number


def _range(values: list[float], form: str) -> str:
    return f"{min(values):{form}} to {max(values):{form}}"


if __name__ == "__main__":
    main()
