"""A look at a data set before anything is learnt from it."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from textclf.config import DataConfig
from textclf.data import problems
from textclf.data.corpus import load_corpus
from textclf.data.examples import Split
from textclf.data.findings import DataCheck, Overlap, SplitCheck
from textclf.errors import listing

PERCENTILES = (50, 90, 95, 99)
RARE_ROWS = 10
"""A class with fewer rows of train is very rare."""
IMBALANCE = 10
"""A largest class so many times as large as the smallest is worth a warning."""
SHARE_CUT = 0.05
"""So many texts longer than the limit are worth a warning."""

CountTokens: TypeAlias = Callable[[list[str], list[str] | None], NDArray[Any]]
"""Returns the number of tokens of each row, `int[rows]`, before any is cut, given the texts and, of pairs, the second
texts; 0 for a row with a text of which no token is left."""


def check(
    config: DataConfig,
    seed: int,
    counter: Callable[[list[str]], CountTokens],
    max_tokens: int,
    length_fields: str = "text.max_tokens",
) -> DataCheck:
    """Look at the data of a run.

    Args:
        config: Where the texts are. Bad rows are left out and reported, whatever its `bad_rows` says.
        seed: Seed of the run, so that the splits are the run's.
        counter: Returns what counts tokens, given the training texts, of pairs both.
        max_tokens: Longest text, or pair, that the model sees, in tokens.
        length_fields: The fields of the config that say what becomes of a longer one.

    Raises:
        DataError: As `load_corpus`, but for bad rows.
    """
    corpus = load_corpus(config.model_copy(update={"bad_rows": "drop"}), seed)
    keys = {name: _keys(split) for name, split in corpus.splits.items()}
    seen = {name: _labels_of(keys[name], split.labels) for name, split in corpus.splits.items()}
    count_tokens = counter(corpus.train.all_texts)
    splits = {
        name: _check_split(split, keys[name], count_tokens(split.texts, split.pairs), max_tokens)
        for name, split in corpus.splits.items()
    }
    overlaps = [
        _overlap(first, second, seen[first], keys[second], corpus.splits[second])
        for first, second in combinations(corpus.splits, 2)
    ]
    scored = {label for name, split in corpus.splits.items() if name != "train" for label in split.labels}
    only_in_train = [label for label in corpus.labels if label not in scored]
    # Rows with other labels than those of train are bad rows, and stand in no split.
    not_in_train = sorted({row.detail for row in corpus.bad_rows if row.problem == problems.UNSEEN_LABEL})
    unit = "texts" if config.pair_column is None else "pairs"
    warnings = [
        *_bad_row_warnings(len(corpus.bad_rows), config.bad_rows == "drop"),
        *_row_warnings(splits, overlaps, unit),
        *_length_warnings(splits, max_tokens, length_fields, unit),
        *_label_warnings(splits["train"].labels, only_in_train, not_in_train),
    ]
    return DataCheck(splits, overlaps, only_in_train, not_in_train, corpus.bad_rows, max_tokens, warnings, unit)


def folded(text: str) -> str:
    r"""Return a text as duplicates are compared.

    Example:
        >>> folded(" Two\u3000 WORDS\n")
        'two words'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _keys(split: Split) -> list[str]:
    """Return what is equal for rows that are duplicates: of pairs, both texts in their order."""
    keys = [folded(text) for text in split.texts]
    if split.pairs is None:
        return keys
    return [f"{key}\0{folded(pair)}" for key, pair in zip(keys, split.pairs, strict=True)]


def _labels_of(keys: list[str], labels: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for key, label in zip(keys, labels, strict=True):
        found[key].add(label)
    return found


def _check_split(split: Split, keys: list[str], counts: NDArray[Any], max_tokens: int) -> SplitCheck:
    first_label: dict[str, str] = {}
    duplicates = conflicting = 0
    for key, label in zip(keys, split.labels, strict=True):
        if key in first_label:
            duplicates += 1
            conflicting += label != first_label[key]
        else:
            first_label[key] = label
    # A length that some text has, and not a mean of two.
    lengths = {str(p): int(numpy.percentile(counts, p, method="inverted_cdf")) for p in PERCENTILES}
    return SplitCheck(
        rows=len(split),
        labels=dict(Counter(split.labels).most_common()),
        duplicates=duplicates,
        conflicting=conflicting,
        lengths=lengths | {"max": int(counts.max())},
        share_cut=float((counts > max_tokens).mean()),
        without_tokens=int((counts == 0).sum()),
    )


def _overlap(first: str, second: str, seen: dict[str, set[str]], keys: list[str], split: Split) -> Overlap:
    shared = [(key, label) for key, label in zip(keys, split.labels, strict=True) if key in seen]
    return Overlap(first, second, len(shared), sum(label not in seen[key] for key, label in shared))


def _bad_row_warnings(num_bad: int, dropped: bool) -> Iterator[str]:
    if num_bad and dropped:
        yield f"Bad rows: {num_bad:,}. Training leaves them out (data.bad_rows=drop)."
    elif num_bad:
        yield f"Bad rows: {num_bad:,}. Training stops at them; --set data.bad_rows=drop leaves them out."


def _row_warnings(splits: dict[str, SplitCheck], overlaps: list[Overlap], unit: str) -> Iterator[str]:
    rows = unit.capitalize()
    for overlap in overlaps:
        if overlap.rows:
            yield (
                f"{rows} of {overlap.second} that also stand in {overlap.first}: {overlap.rows:,} of "
                f"{splits[overlap.second].rows:,}, {overlap.conflicting:,} of them with another label. "
                f"Scores on {overlap.second} will look better than they are."
            )
    for name, split in splits.items():
        if split.conflicting:
            yield f"{rows} of {name} that came before with another label: {split.conflicting:,}. One of both is wrong."
        if split.without_tokens:
            single = "a single token" if unit == "texts" else "a single token in one of both texts"
            yield f"{rows} of {name} without {single}: {split.without_tokens:,}."


def _length_warnings(splits: dict[str, SplitCheck], max_tokens: int, length_fields: str, unit: str) -> Iterator[str]:
    rows = unit.capitalize()
    for name, split in splits.items():
        if split.share_cut > SHARE_CUT:
            yield f"{rows} of {name} longer than {max_tokens:,} tokens: {split.share_cut:.1%}. See {length_fields}."


def _label_warnings(labels: dict[str, int], only_in_train: list[str], not_in_train: list[str]) -> Iterator[str]:
    for names, where in (
        (only_in_train, "Labels that only train holds, so that they are never scored"),
        (not_in_train, "Labels of dev or test that train lacks, so that they cannot be learnt"),
    ):
        if names:
            yield f"{where} ({len(names):,}): {listing(names)}."
    rare = [label for label, count in labels.items() if count < RARE_ROWS]
    if rare:
        yield f"Labels with fewer than {RARE_ROWS} rows in train ({len(rare):,}): {listing(rare)}."
    largest, smallest = max(labels, key=labels.__getitem__), min(labels, key=labels.__getitem__)
    if labels[largest] >= IMBALANCE * labels[smallest]:
        ratio = labels[largest] / labels[smallest]
        yield f"'{largest}' has {ratio:,.0f} times the rows of '{smallest}': look at macro_f1 and not at accuracy."
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        spellings[folded(label)].append(label)
    for same in spellings.values():
        if len(same) > 1:
            yield f"Labels that differ only in case, width or spaces count as different classes: {listing(same)}."
