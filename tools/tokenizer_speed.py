"""Measure the tokenizers in texts per second, beside others on the same texts.

    python tools/tokenizer_speed.py                        the sample data, repeated to 10,000 texts
    python tools/tokenizer_speed.py mr/all.tsv.gz          the texts of a TSV file (column `text`)
    python tools/tokenizer_speed.py mr/all.tsv.gz --vocabulary vocab.txt --threads 1

Words stand beside Keras' TextVectorization; word pieces beside keras-hub's BertTokenizer and Hugging Face's
`tokenizers` (in Rust), with one vocabulary: a published one, or 8,000 pieces learnt from the texts.

All turn strings into ids, in batches of 1,024: called eagerly, and inside `tf.data` where they can be. They take turns
in one process, so that whatever else the machine does meets all. Each has had one round to trace and warm up. Ours are
cut and padded, with [CLS] and [SEP]; keras-hub's come without them and unpadded; of Hugging Face's, the ids are not
even read out of its objects.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from textclf.config import DataConfig, TextConfig
from textclf.data import Example, read
from textclf.text.wordpiece import WordPieceTokenizer
from textclf.text.words import WordTokenizer

BATCH = 1024
SAMPLE_TEXTS = 10_000
PIECES = 8_000
MAX_TOKENS = 512

Tokenize: TypeAlias = Callable[[Any], Any]  # takes a list of texts, or a tensor of them
Round: TypeAlias = Callable[[], object]  # tokenizes all texts once
Way: TypeAlias = Callable[[Tokenize, list[str]], Round]


def main() -> None:
    """Measure, then print the speeds and their ratios."""
    options = _options()
    _set_threads(options.threads)
    texts = _texts(options.source, options.text_column)
    characters = sum(map(len, texts)) / len(texts)
    threads = options.threads or "as many as each takes"
    print(f"{len(texts):,} texts of {characters:.0f} characters on average; {os.cpu_count()} cores, threads: {threads}")
    for what, tokenizers in (("words", _words(texts)), ("word pieces", _word_pieces(texts, options.vocabulary))):
        print(f"\n{what}")
        _report(_measure(tokenizers, texts, options.repeats))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", nargs="?", help="TSV file, also .gz; the sample data if not given")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--vocabulary", type=Path, help="vocab.txt of a lower-case BERT; learnt if not given")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="most threads of each; 0: as many as each takes")
    return parser.parse_args()


def _set_threads(threads: int) -> None:
    """Hold TensorFlow and Hugging Face's pool to the same number; both read it at their first use."""
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        os.environ["RAYON_NUM_THREADS"] = str(threads)


def _texts(source: str | None, text_column: str) -> list[str]:
    config = DataConfig(train=source or "sample:train", text_column=text_column)
    texts = [row.text for row in read(config.train, config) if isinstance(row, Example)]
    return texts if source else list(itertools.islice(itertools.cycle(texts), SAMPLE_TEXTS))


def _words(texts: list[str]) -> dict[str, Tokenize]:
    """Return ours and Keras' layer as it comes: lower case, punctuation taken out, split at white space."""
    ours, layer = WordTokenizer.learn(texts, TextConfig()), keras.layers.TextVectorization()
    layer.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(BATCH))
    return {"textclf": _of_tensors(ours), "TextVectorization": _of_tensors(layer)}


def _word_pieces(texts: list[str], vocabulary: Path | None) -> dict[str, Tokenize]:
    """Return ours, keras-hub's and Hugging Face's, with one vocabulary."""
    import keras_hub
    import tokenizers

    if vocabulary:
        pieces: Sequence[str] = vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        ours = WordPieceTokenizer(pieces, lowercase=True, max_tokens=MAX_TOKENS)
    else:
        ours = WordPieceTokenizer.learn(texts, vocabulary_size=PIECES, lowercase=True, max_tokens=MAX_TOKENS)
    ids = {piece: place for place, piece in enumerate(ours.vocabulary)}
    rust = tokenizers.BertWordPieceTokenizer(ids, lowercase=True)
    rust.enable_truncation(MAX_TOKENS)
    rust.enable_padding()
    return {
        "textclf": _of_tensors(ours),
        "keras-hub": keras_hub.models.BertTokenizer(list(ours.vocabulary), lowercase=True),
        "tokenizers": rust._tokenizer.encode_batch_fast,
    }


def _of_tensors(tokenize: Tokenize) -> Tokenize:
    return lambda texts: tokenize(tf.convert_to_tensor(texts))


def _eager(tokenize: Tokenize, texts: list[str]) -> Round:
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    return lambda: [tokenize(batch) for batch in batches]


def _in_tf_data(tokenize: Tokenize, texts: list[str]) -> Round:
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).cache()
    ids = batches.map(tokenize, tf.data.AUTOTUNE).prefetch(2)
    return lambda: [None for _ in ids]


WAYS: dict[str, Way] = {"eager": _eager, "tf.data": _in_tf_data}
NOT_IN_A_GRAPH = {("tf.data", "tokenizers")}


def _measure(tokenizers: dict[str, Tokenize], texts: list[str], repeats: int) -> dict[str, dict[str, list[float]]]:
    """Return the texts per second of every round, by way and tokenizer; who begins a round alternates."""
    speeds: dict[str, dict[str, list[float]]] = {
        way: {name: [] for name in tokenizers if (way, name) not in NOT_IN_A_GRAPH} for way in WAYS
    }
    rounds = {(way, name): WAYS[way](tokenizers[name], texts) for way, names in speeds.items() for name in names}
    for way, name, round_number in _turns(speeds, repeats):
        started = time.perf_counter()
        rounds[way, name]()
        if round_number:  # the first one traces and warms up
            speeds[way][name].append(len(texts) / (time.perf_counter() - started))
    return speeds


def _turns(speeds: dict[str, dict[str, list[float]]], repeats: int) -> Iterator[tuple[str, str, int]]:
    for round_number in range(repeats + 1):
        for way, names in speeds.items():
            for name in names if round_number % 2 else reversed(names):
                yield way, name, round_number


def _report(speeds: dict[str, dict[str, list[float]]]) -> None:
    """Print each speed, and how many times as fast as each other the first one is."""
    for way, measured in speeds.items():
        ours, *others = measured
        for name, values in measured.items():
            print(f"{way:8} {name:18} {statistics.median(values):>9,.0f} texts/s  ({_range(values, ',.0f')})")
        for name in others:
            ratios = [mine / other for mine, other in zip(measured[ours], measured[name], strict=True)]
            print(f"{way:8} {f'/ {name}':18} {statistics.median(ratios):>9.2f}          ({_range(ratios, '.2f')})")


def _range(values: list[float], form: str) -> str:
    return f"{min(values):{form}} to {max(values):{form}}"


if __name__ == "__main__":
    main()
