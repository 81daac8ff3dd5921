"""CSV and TSV: a row a line, or over several lines where quotes hold line ends together."""

import csv
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path

from textclf.config import DataConfig
from textclf.config.checks import wrong_delimiter
from textclf.data import problems
from textclf.data.examples import BadRow, Row
from textclf.data.files import open_text
from textclf.data.readers.rows import checked, find_column
from textclf.errors import DataError

DELIMITERS = {"csv": ",", "tsv": "\t"}


def read_csv(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of a file with commas between the fields, unless `delimiter` says otherwise."""
    return read_delimited(Path(source), source, "csv", config)


def read_tsv(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of a file with tabs between the fields, unless `delimiter` says otherwise."""
    return read_delimited(Path(source), source, "tsv", config)


def read_delimited(path: Path, source: str, format_name: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of a CSV or TSV file.

    Args:
        path: The file.
        source: What the rows and the errors call it.
        format_name: csv or tsv.
        config: The columns, `header`, `quoting`, `delimiter` and `encoding` count.

    Raises:
        DataError: The file cannot be read, or a column is missing.
    """
    with open_text(path, config.encoding, newline="") as file:
        delimiter = delimiter_of(config.delimiter, format_name)
        quoted = is_quoted(config.quoting, format_name)
        rows = delimited_rows(file, delimiter, quoted)
        names, rows = column_names(rows, config.header, source)
        if names:
            hint = columns_hint(config.header, names)
            columns = config.columns.items()
            chosen = itemgetter(*(find_column(name, names, source, option, hint) for option, name in columns))
        for line, fields in rows:
            if isinstance(fields, csv.Error):
                yield BadRow(source, line, problems.QUOTES, str(fields))
            elif len(fields) != len(names):
                in_quotes = not quoted and any(field.startswith('"') for field in fields)
                problem = problems.QUOTED_FIELDS if in_quotes else problems.FIELDS
                yield BadRow(source, line, problem, f"expected {len(names)}, got {len(fields)}")
            else:
                text, label, *pair = chosen(fields)
                yield checked(text, label, source, line, *pair)


NumberedFields = tuple[int, list[str] | csv.Error]
"""The number of a row's first line, and its fields or why they cannot be told apart."""


def delimited_rows(lines: Iterable[str], delimiter: str, quoted: bool) -> Iterator[NumberedFields]:
    """Yield the fields of each row, none for a line with nothing on it.

    A row whose quotes are broken is given up after its first line: the lines that it swallowed are
    read again as rows of their own, so that one stray quote costs one row and not the rest of the file.

    Args:
        lines: Lines with their ends, as a file opened with `newline=""` gives them.
        delimiter: The character between fields.
        quoted: Whether `"` holds a field together.
    """
    # The module's limit is one for the process, and no smaller one is of use to anybody here.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    source = _Lines(lines)
    reader = csv.reader(
        source, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=True
    )
    while True:
        source.start_row()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            source.give_up_row()
            yield source.first_line, error
            continue
        yield source.first_line, fields


def column_names(
    rows: Iterator[NumberedFields], header: bool, source: str
) -> tuple[list[str], Iterator[NumberedFields]]:
    """Return the names of the columns and the rows under them; no names if there is no whole row.

    A line with nothing on it is an empty field where there is one column, and no row where there are more.

    Raises:
        DataError: The line of names has broken quotes.
    """
    before: list[NumberedFields] = []
    for line, fields in rows:
        if isinstance(fields, csv.Error):
            if header:
                raise DataError(
                    f"'{source}': the names of the columns in line {line} have {problems.QUOTES} ({fields})."
                )
            before.append((line, fields))
        elif not fields:
            before.append((line, fields))
        elif header:
            return fields, _filled(rows, len(fields))
        else:
            names = [str(number) for number in range(1, len(fields) + 1)]
            return names, _filled(chain([*before, (line, fields)], rows), len(names))
    return [], _filled(iter(before), 0)


def _filled(rows: Iterable[NumberedFields], width: int) -> Iterator[NumberedFields]:
    """Yield the rows, those without fields only where the one field that a row has can be empty."""
    for line, fields in rows:
        if fields:
            yield line, fields
        elif width == 1:
            yield line, [""]


def delimiter_of(delimiter: str | None, format_name: str) -> str:
    """Return the character between fields, given `data.delimiter`; `DataError` if it can be none."""
    if delimiter is None:
        return DELIMITERS[format_name]
    if problem := wrong_delimiter(delimiter):
        raise DataError(f"data.delimiter: {problem}")
    return delimiter


def is_quoted(quoting: str, format_name: str) -> bool:
    """Say whether `"` holds fields together, given `data.quoting`."""
    return quoting == "standard" or (quoting == "auto" and format_name == "csv")


def columns_hint(header: bool, names: Sequence[str]) -> str:
    """Return what else to try if a column is missing."""
    if len(names) == 1 and (other := re.search("[;|\\t,]", names[0])):
        return f" Its fields seem to be separated by {other[0]!r}: name that as the delimiter (data.delimiter)."
    if header:
        return " If the file has no line of names at its top, set data.header=false and call the columns 1, 2, …"
    return " Without a header the columns are called 1, 2, …"


class _Lines:
    """The lines that `csv.reader` takes, with the number of the row's first line and a way back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.first_line = 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        return line

    def start_row(self) -> None:
        self.first_line += len(self._taken)
        self._taken.clear()

    def give_up_row(self) -> None:
        """Take all lines but the row's first back."""
        self._again.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]
