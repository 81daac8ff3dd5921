"""Cutting a split out of the training rows: by share, or by a file of folds."""

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from textclf.data.files import open_text
from textclf.errors import DataError


def stratified_cut(
    keys: Sequence[str], labels: Sequence[str], num_rows: int, seed: int, name: str, keep: int = 1
) -> list[int]:
    """Choose rows for a split so that it has the balance of the whole.

    Which rows are chosen follows from the rows themselves and the seed, not from their order: a
    shuffled file is cut into the same texts.

    A class keeps at least one row outside the split, so a class of one row is never cut. Every other
    class gives one row first; the rest go one by one to the class that is furthest below its share.
    (scikit-learn's `train_test_split` refuses classes of one row and leaves small ones out.)

    Args:
        keys: What each row is known by: its text, or its two texts.
        labels: The label of each row.
        num_rows: Size of the split.
        seed: Seed of the choice.
        name: Name of the split; two splits with one seed are chosen independently.
        keep: Rows that a larger class keeps outside the split: one for train, and one for each split that
            is still to be cut.

    Returns:
        Indices of the chosen rows, ascending.

    Raises:
        DataError: The split cannot have so many rows, or is too small to hold every class.

    Example:
        >>> stratified_cut(["a", "b", "c", "d"], ["x", "x", "y", "y"], 2, seed=42, name="dev")
        [1, 3]
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        groups[label].append(index)
    seats = _seats({label: len(group) for label, group in groups.items()}, num_rows, name, keep)
    salt = f"{seed} {name}".encode()
    chosen: list[int] = []
    for label, group in groups.items():
        ordered = sorted(
            group, key=lambda index: hashlib.blake2b(keys[index].encode(), digest_size=16, key=salt).digest()
        )
        chosen += ordered[: seats[label]]
    return sorted(chosen)


def _seats(counts: dict[str, int], num_rows: int, name: str, keep: int) -> dict[str, int]:
    """Return how many rows of each class go into a split."""
    total = sum(counts.values())
    seats = {label: min(count - 1, 1) for label, count in counts.items()}
    most = {label: max(count - keep, seats[label]) for label, count in counts.items()}
    left = num_rows - sum(seats.values())
    if left < 0:
        raise DataError(
            f"data.{name}: {num_rows:,} of {total:,} rows are too few to hold each of the {sum(seats.values()):,} "
            f"classes that have more than one row. Take a larger share, or name a source for {name}."
        )
    if num_rows > sum(most.values()):
        others = f"{keep} rows for the other splits, or 1 if it has no more than {keep}"
        kept = "a row for training" if keep == 1 else others
        raise DataError(
            f"data.{name}: {num_rows:,} of {total:,} rows cannot be cut off, because each of the {len(counts):,} "
            f"classes keeps {kept}. Take a smaller share, or name a source for {name}."
        )

    def shortfall(label: str) -> int:
        """Return how far the class is below its share, in units of 1 / total rows, so that it stays exact."""
        return counts[label] * num_rows - seats[label] * total

    heap = [(-shortfall(label), label) for label in counts if seats[label] < most[label]]
    heapq.heapify(heap)
    for _ in range(left):
        _, label = heapq.heappop(heap)
        seats[label] += 1
        if seats[label] < most[label]:
            heapq.heappush(heap, (-shortfall(label), label))
    return seats


def share_of(share: float, num_rows: int) -> int:
    """Return a share of rows as a number of rows, rounded half up.

    Example:
        >>> share_of(0.1, 25)
        3
    """
    return int(share * num_rows + 0.5)


def read_folds(path: str, num_rows: int, fold: int) -> list[bool]:
    """Read which rows are in a fold.

    Args:
        path: File with one whole number a line, one line a row of train, rows that are bad included.
        num_rows: Rows of train.
        fold: The fold that is wanted.

    Returns:
        For each row whether it is in the fold.

    Raises:
        DataError: The file cannot be read, a line is no whole number, there are more or fewer lines
            than rows, or no row is in the fold.
    """
    with open_text(Path(path), "utf-8") as file:
        folds = [_fold(line, path, number) for number, line in enumerate(file, start=1)]
    if len(folds) != num_rows:
        raise DataError(
            f"'{path}' has {len(folds):,} lines, but train has {num_rows:,} rows. "
            "data.folds needs one line a row of train, bad rows included."
        )
    if fold not in folds:
        sizes = ", ".join(str(number) for number in sorted(Counter(folds))[:20])
        raise DataError(f"'{path}' has no row of fold {fold}; it has the folds {sizes or 'of no row'}. See data.fold.")
    return [number == fold for number in folds]


def _fold(line: str, path: str, number: int) -> int:
    text = line.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(f"'{path}', line {number}: expected the number of a fold, got '{text[:40]}'.")
    return int(text)
