"""Which column is the text and which one the label, and whether a first row holds their names."""

import re
from collections.abc import Sequence
from typing import Any

from textclf.data.readers.rows import label_name
from textclf.errors import DataError, listing

TEXT_NAMES = (
    *("text", "sentence", "content", "review", "message", "utterance", "comment", "body"),
    *("内容", "文本", "评论", "句子"),
)
LABEL_NAMES = ("label", "class", "category", "intent", "sentiment", "topic", "target", "标签", "类别", "分类")
LONGEST_LABEL = 100
"""A column of longer strings, in characters, is none of labels."""
LONGEST_NAME = 40
MOST_WORDS = 3
"""Longest name of a column, in characters and in words."""
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\s\u3040-\u30ff\u3400-\u9fff]+")
"""Two Chinese or Japanese characters count for a word, because no spaces tell how many there are."""
_NUMBER = re.compile(r"[-+.,\d\s]*")


def choose_columns(
    names: Sequence[str], columns: Sequence[Sequence[Any]], source: str, pair_column: str | None = None
) -> tuple[int, int]:
    """Return the indices of the text and of the label column.

    A column that is called like one wins. Otherwise the text is the column with the longest and most
    varied strings, and the label the one with the fewest different values.

    Args:
        names: Names of the columns, or a first row that may be one of names.
        columns: The values of each column, those of the first row left out if it may be of names.
        source: For the error.
        pair_column: Name or number of the column that is known to hold second texts, and so is neither.

    Raises:
        DataError: No column looks like a text, or none like a label.
    """
    numbers = [str(number) for number in range(1, len(names) + 1)]
    called = names if pair_column in names else numbers
    known = [name.strip().casefold() for name in names]
    filled = [index for index, column in enumerate(columns) if any(value not in (None, "") for value in column)]
    indices = [index for index in filled if called[index] != pair_column]
    texts = [index for index in indices if _is_text(columns[index])]
    text = _by_name(known, texts, TEXT_NAMES)
    if text is None:
        text = max(texts, key=lambda index: _variety(columns[index]), default=None)
    if text is None:
        raise _no_column("text", names, source)
    labels = [index for index in indices if index != text and _is_label(columns[index])]
    label = _by_name(known, labels, LABEL_NAMES)
    if label is None:
        few = [index for index in labels if _distinct(columns[index]) <= max(len(columns[index]) // 2, 2)]
        # One value alone tells nothing apart, but a file that is sorted by class begins like this.
        label = min(few, key=lambda index: (_distinct(columns[index]) < 2, _distinct(columns[index])), default=None)
    if label is None:
        raise _no_column("label", names, source)
    return text, label


def second_text(names: Sequence[str], columns: Sequence[Sequence[Any]], text: int, label: int) -> str | None:
    """Return the name of a column that could be the second text of each row: strings nearly as long and as varied.

    Example:
        >>> columns = [["one text", "another"], ["a b", "a b"], ["its answer", "no"], ["x", "y"]]
        >>> second_text(["text", "by", "reply", "label"], columns, 0, 3)
        'reply'
    """
    least = _variety(columns[text]) / 2
    others = [index for index in range(len(names)) if index not in (text, label) and _is_text(columns[index])]
    return next((names[index] for index in others if _variety(columns[index]) >= least), None)


def is_header(row: Sequence[str], text: int, label: int, labels: Sequence[str]) -> tuple[bool, str]:
    """Say whether a first row holds the names of the columns, and how certain that is.

    Args:
        row: The first row.
        text: Index of the text column.
        label: Index of the label column.
        labels: The labels of the rows after the first.

    Returns:
        Whether it is a row of names; and certain, likely or unsure. Where nothing tells, it is a row like the
        others: a row too many is seen among the labels, and one that is lost is not.

    Example:
        >>> is_header(["Customer message", "Team"], 0, 1, labels=["delivery", "refund"])
        (True, 'likely')
        >>> is_header(["my parcel is late today", "returns"], 0, 1, labels=["delivery", "refund"])
        (False, 'unsure')
    """
    known = [cell.strip().casefold() in (*TEXT_NAMES, *LABEL_NAMES) for cell in row]
    if row[label] in labels and not known[text]:  # some data sets have a class `topic` or `category`
        return False, "certain"
    if any(known):
        return True, "certain"
    has_number = any(cell.strip() and _NUMBER.fullmatch(cell) for cell in row)
    likely = _is_like_a_name(row[text]) and _is_like_a_name(row[label]) and not has_number
    return (True, "likely") if likely else (False, "unsure")


def _is_like_a_name(cell: str) -> bool:
    """Say whether a cell is short and no sentence."""
    cell = cell.strip()
    is_short = len(cell) <= LONGEST_NAME and len(_WORD.findall(cell)) <= MOST_WORDS
    return is_short and not cell.endswith(tuple(".!?。！？…"))


def _by_name(names: Sequence[str], indices: Sequence[int], wanted: Sequence[str]) -> int | None:
    found = [index for index in indices if names[index] in wanted]
    return min(found, key=lambda index: wanted.index(names[index]), default=None)


def _is_text(column: Sequence[Any]) -> bool:
    """Say whether most values are strings that are no numbers."""
    strings = sum(isinstance(value, str) and not _NUMBER.fullmatch(value) for value in column)
    return 2 * strings > len(column)


def _is_label(column: Sequence[Any]) -> bool:
    names = [label_name(value) for value in column]
    return all(name is not None and len(name) <= LONGEST_LABEL for name in names)


def _distinct(column: Sequence[Any]) -> int:
    return len({label_name(value) for value in column} - {""})


def _variety(column: Sequence[Any]) -> float:
    """Return the mean length of the strings, scaled by the share of different ones."""
    strings = [value for value in column if isinstance(value, str)]
    return sum(map(len, strings)) / len(column) * len(set(strings)) / len(strings)


def _no_column(kind: str, names: Sequence[str], source: str) -> DataError:
    expected = "long strings that differ" if kind == "text" else "a few names that come again and again"
    return DataError(
        f"'{source}': no column looks like the {kind} ({expected}). Its columns are {listing(names) or 'none'}. "
        "Write a config of your own that names both: data.train, data.text_column and data.label_column are enough."
    )
