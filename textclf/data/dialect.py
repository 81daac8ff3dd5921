"""Which delimiter and which quotes a CSV or TSV file is written with."""

import csv
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from textclf.data.files import open_text
from textclf.data.readers.delimited import DELIMITERS, delimited_rows, is_quoted

OTHER_DELIMITERS = (";", "|", "\t")
"""Tried where the usual one leaves a single column or more odd rows."""


@dataclass(frozen=True)
class Dialect:
    """The way to read a file, and its first rows read so.

    Attributes:
        delimiter: The character between fields.
        quoted: Whether `"` holds a field together.
        rows: The fields of the first rows, those with broken quotes left out.
        width: The number of fields that most rows have; 0 if there are no rows.
        odd_rows: How many rows have another number of fields, or broken quotes.
        begins_broken: Whether the quotes of the first row are broken, so that it names no columns.
    """

    delimiter: str
    quoted: bool
    rows: list[list[str]]
    width: int
    odd_rows: int
    begins_broken: bool


def find_dialect(path: Path, format_name: str, encoding: str, most_rows: int) -> Dialect:
    """Return the dialect that reads a file with the fewest odd rows; the format's usual one if others are no better.

    Args:
        path: The file.
        format_name: csv or tsv.
        encoding: As Python names it.
        most_rows: How many rows are looked at.

    Raises:
        DataError: The file cannot be read.
    """
    delimiters = dict.fromkeys((DELIMITERS[format_name], *OTHER_DELIMITERS))
    found = [_with_delimiter(path, delimiter, format_name, encoding, most_rows) for delimiter in delimiters]
    return min(found, key=lambda dialect: (dialect.width < 2, dialect.odd_rows))


def _with_delimiter(path: Path, delimiter: str, format_name: str, encoding: str, most_rows: int) -> Dialect:
    """Return the rows, with or without quotes that hold fields together, by which way leaves fewer odd ones."""
    usual = _read(path, delimiter, is_quoted("auto", format_name), encoding, most_rows)
    other = _read(path, delimiter, not usual.quoted, encoding, most_rows)
    if other.odd_rows != usual.odd_rows:
        return min(usual, other, key=lambda dialect: dialect.odd_rows)
    return other if not usual.quoted and _has_wrapped_column(usual.rows) else usual


def _read(path: Path, delimiter: str, quoted: bool, encoding: str, most_rows: int) -> Dialect:
    """Read the first rows; lines with nothing on them do not count."""
    with open_text(path, encoding, newline="") as file:
        lines = (fields for _, fields in delimited_rows(file, delimiter, quoted) if fields)
        rows = list(islice(lines, most_rows))
    whole = [fields for fields in rows if not isinstance(fields, csv.Error)]
    width = Counter(map(len, whole)).most_common(1)[0][0] if whole else 0
    odd_rows = len(rows) - sum(len(fields) == width for fields in whole)
    return Dialect(delimiter, quoted, whole, width, odd_rows, rows[:1] != whole[:1])


def _has_wrapped_column(rows: list[list[str]]) -> bool:
    """Say whether every field of some column stands in quotes, the line of names left out."""
    columns = list(zip(*rows[1:], strict=False))
    return len(rows) > 2 and any(all(map(_is_wrapped, column)) for column in columns)


def _is_wrapped(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'
