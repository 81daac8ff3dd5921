"""The whole data of a run: every source read, every problem reported once, the splits cut."""

import hashlib
import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from textclf.config import DataConfig
from textclf.data import problems
from textclf.data.examples import BadRow, Split
from textclf.data.readers import format_of, read, source_for
from textclf.data.readers.delimited import DELIMITERS
from textclf.data.splitting import read_folds, share_of, stratified_cut
from textclf.errors import DataError, listing

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corpus:
    """The splits of a run.

    Attributes:
        train: The rows to learn from.
        dev: The rows that pick the epoch.
        test: The rows that are scored at the end, if there are any.
        labels: The labels of train, sorted: class `i` is `labels[i]`.
        bad_rows: The rows that were dropped; empty unless `data.bad_rows` is drop.
    """

    train: Split
    dev: Split
    test: Split | None
    labels: list[str]
    bad_rows: list[BadRow]

    @property
    def splits(self) -> dict[str, Split]:
        """The splits there are, by name."""
        named = {"train": self.train, "dev": self.dev}
        return named if self.test is None else named | {"test": self.test}

    @cached_property
    def fingerprint(self) -> str:
        """The sha256, in hexadecimal, of the texts, of pairs both, and labels of all splits in their order."""
        digest = hashlib.sha256()
        for name, split in self.splits.items():
            digest.update(f"{name} {len(split)}\n".encode())
            columns = [split.texts, split.labels] if split.pairs is None else [split.texts, split.labels, split.pairs]
            for row in zip(*columns, strict=True):
                values = [value.encode() for value in row]
                # The lengths tell ("ab", "c") and ("a", "bc") apart.
                lengths = " ".join(str(len(value)) for value in values)
                digest.update(b"%b\n%b" % (lengths.encode(), b"".join(values)))
        return digest.hexdigest()

    def write_bad_rows(self, path: str | Path) -> None:
        """Write the dropped rows as JSON lines with the fields source, line, problem and detail."""
        # A path on disk need not be Unicode; what cannot be encoded becomes JSON's own \\udcxx.
        with Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            for row in self.bad_rows:
                values = {"source": row.source, "line": row.line, "problem": row.problem, "detail": row.detail}
                file.write(json.dumps(values, ensure_ascii=False) + "\n")


def load_corpus(config: DataConfig, seed: int) -> Corpus:
    """Read the sources and cut the splits.

    With `folds` the rows of train that are in `fold` become test. A share for test is cut from the rows
    of train, then one for dev from what is left; shares count rows of train, without those of the fold.

    Args:
        config: Where the texts are.
        seed: Seed of the cuts; see `stratified_cut`.

    Raises:
        DataError: A source cannot be read; rows are bad and `bad_rows` is stop; or, whatever
            `bad_rows` is, a split has no rows or fewer rows than there are classes, or train has
            only one class.
    """
    rows = _read_split(config.train, "train", config)
    named = {"dev": config.dev, "test": config.test}
    others = {name: _read_split(value, name, config) for name, value in named.items() if isinstance(value, str)}
    bad_rows = [*rows.bad_rows, *(row for other in others.values() for row in other.bad_rows)]
    if config.folds is not None:
        train, others["test"] = _cut_fold(rows, config.folds, config.fold)
    else:
        train = rows.split
    known = set(train.labels)
    splits = {name: _without_unseen(other.split, known, bad_rows) for name, other in others.items()}
    _stop_at(bad_rows, config, known)
    _check_classes(train, config.train, len(bad_rows))
    train, cut = _cut_shares(train, {name: share for name, share in named.items() if name not in splits}, seed)
    splits |= cut
    labels = sorted(set(train.labels))
    for name, split in splits.items():
        _check_size(name, split, labels)
    return Corpus(train, splits["dev"], splits.get("test"), labels, bad_rows)


def load_split(source: str, config: DataConfig, labels: Sequence[str]) -> Split:
    """Read one source whose labels a classifier knows already. Bad rows that are dropped are logged.

    Args:
        source: File, folder, `tfds:` or `sample:` source; `tfds:` without a split is its test split.
        config: How the source is written; its own sources, shares and folds do not count.
        labels: The labels that the classifier knows.

    Raises:
        DataError: The source cannot be read, it has no rows, or rows are bad (those with unknown
            labels among them) and `bad_rows` is stop.
    """
    rows = _read_split(source, "test", config)
    split = _without_unseen(rows.split, set(labels), rows.bad_rows)
    _stop_at(rows.bad_rows, config, labels)
    if rows.bad_rows:
        logger.warning("Dropped: %s", problems.report(rows.bad_rows, labels))
    if not len(split):
        raise DataError(f"'{source}' holds no rows with a label that the classifier knows: {listing(labels)}.")
    return split


@dataclass
class _Rows:
    """What a source holds: the good rows, the bad ones, and where the bad ones stand among all."""

    split: Split = field(default_factory=Split)
    bad_rows: list[BadRow] = field(default_factory=list)
    bad_positions: set[int] = field(default_factory=set)


def _stop_at(bad_rows: Sequence[BadRow], config: DataConfig, labels: Collection[str]) -> None:
    if bad_rows and config.bad_rows == "stop":
        raise DataError(
            f"{problems.report(bad_rows, labels)}\n"
            "Mend them, or drop exactly these with data.bad_rows=drop (--set data.bad_rows=drop)."
        )


def _read_split(source: str, name: str, config: DataConfig) -> _Rows:
    rows = _Rows()
    for position, row in enumerate(read(source_for(source, name, config), config)):
        if isinstance(row, BadRow):
            rows.bad_rows.append(row)
            rows.bad_positions.add(position)
        else:
            rows.split.append(row)
    if not len(rows.split) and not rows.bad_rows:
        raise DataError(f"'{source}' {_nothing_in(source, config)}. Expected texts with labels.")
    one_of_each: dict[str, str] = {}
    rows.split.labels = [one_of_each.setdefault(label, label) for label in rows.split.labels]
    return rows


def _nothing_in(source: str, config: DataConfig) -> str:
    """Return how a source holds no row, not even a bad one."""
    path = Path(source)
    if path.is_file() and not path.stat().st_size:
        return "is an empty file"
    named = config.header and format_of(source, config.format) in DELIMITERS
    return "holds no rows" + (": under the names of the columns (data.header) there is nothing" if named else "")


def _cut_fold(rows: _Rows, path: str, fold: int) -> tuple[Split, _Rows]:
    """Return the rows outside and inside a fold; bad rows have a line in the file too."""
    in_fold = read_folds(path, len(rows.split) + len(rows.bad_rows), fold)
    good = [inside for position, inside in enumerate(in_fold) if position not in rows.bad_positions]
    outside = rows.split.take(index for index, inside in enumerate(good) if not inside)
    return outside, _Rows(rows.split.take(index for index, inside in enumerate(good) if inside))


def _cut_shares(train: Split, shares: dict[str, float | str | None], seed: int) -> tuple[Split, dict[str, Split]]:
    """Return what is left of train, and the splits cut from it: test first, so that no share of dev moves it."""
    num_rows = len(train)
    wanted = {name: share for name in ("test", "dev") if isinstance(share := shares.get(name), float)}
    splits: dict[str, Split] = {}
    for name, share in wanted.items():
        size = share_of(share, num_rows)
        if not size:
            raise DataError(
                f"data.{name}: {share} of {num_rows:,} rows is less than one row. Add rows to train, take a larger "
                f"share, or name a source for {name}."
            )
        uncut = len(wanted) - len(splits) - 1
        chosen = stratified_cut(train.keys, train.labels, size, seed, name, keep=1 + uncut)
        splits[name] = train.take(chosen)
        inside = set(chosen)
        train = train.take(index for index in range(len(train)) if index not in inside)
    return train, splits


def _without_unseen(split: Split, known: set[str], bad_rows: list[BadRow]) -> Split:
    """Return the rows with a label of train; the others become bad rows."""
    unseen = [index for index, label in enumerate(split.labels) if label not in known]
    # Without a single row of train every label is unseen, and saying so would bury the cause.
    if not unseen or not known:
        return split
    bad_rows += [BadRow(*split.places[index], problems.UNSEEN_LABEL, split.labels[index]) for index in unseen]
    return split.take(index for index, label in enumerate(split.labels) if label in known)


def _check_classes(train: Split, source: str, num_dropped: int) -> None:
    dropped = f" after {num_dropped:,} bad rows were dropped" if num_dropped else ""
    if not len(train):
        raise DataError(
            f"data.train, '{source}', holds no rows{dropped}. Expected texts with labels of at least two classes."
        )
    labels = set(train.labels)
    if len(labels) == 1:
        raise DataError(
            f"data.train holds a single class, '{train.labels[0]}', in all of its {len(train):,} rows{dropped}; "
            "there is nothing to tell apart. Is data.label_column the right column?"
        )


def _check_size(name: str, split: Split, labels: Sequence[str]) -> None:
    if not len(split):
        raise DataError(f"data.{name} holds no rows with a label of train.")
    if len(split) < len(labels):
        absent = sorted(set(labels) - set(split.labels))
        raise DataError(
            f"data.{name} has {len(split):,} rows, fewer than the {len(labels):,} classes of train, so its scores "
            f"would say nothing about {listing(absent, most=5)}. Add rows to {name}, or cut a share of train: "
            f"data.{name}=0.1."
        )
