"""Which column is the text and which one the label."""

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


def choose_columns(
    names: Sequence[str], columns: Sequence[Sequence[Any]], source: str, *, names_unsure: bool = False
) -> tuple[int, int, bool]:
    """Return the indices of the text and of the label column, and whether `names` are names.

    A column that is called like one wins. Otherwise the text is the column with the longest and most
    varied strings, and the label the one with the fewest different values.

    Args:
        names: Names of the columns, or a first row that may be one of names.
        columns: The values of each column, those of the first row left out if it may be of names.
        source: For the error.
        names_unsure: Whether `names` may be a row like the others.

    Raises:
        DataError: No column looks like a text, or none like a label.
    """
    known = [name.strip().casefold() for name in names]
    header = not names_unsure or bool({*TEXT_NAMES, *LABEL_NAMES} & set(known))
    indices = [index for index, column in enumerate(columns) if any(value not in (None, "") for value in column)]
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
    # A first row that holds one of the labels is a row like the others.
    return text, label, header or names[label] not in columns[label]


def _by_name(names: Sequence[str], indices: Sequence[int], wanted: Sequence[str]) -> int | None:
    found = [index for index in indices if names[index] in wanted]
    return min(found, key=lambda index: wanted.index(names[index]), default=None)


def _is_text(column: Sequence[Any]) -> bool:
    """Say whether most values are strings that are no numbers."""
    strings = sum(isinstance(value, str) and not re.fullmatch(r"[-+.,\d\s]*", value) for value in column)
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
        f"Name the right one with data.{kind}_column, and the other one too."
    )
