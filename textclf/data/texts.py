"""Unlabelled texts, or pairs of texts, for prediction, one by one."""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from textclf.data import problems
from textclf.data.files import decoded, open_text
from textclf.data.readers import format_of
from textclf.data.readers.delimited import (
    DELIMITERS,
    NumberedFields,
    column_names,
    columns_hint,
    delimited_rows,
    delimiter_of,
    is_quoted,
)
from textclf.data.readers.jsonl import json_objects, missing_field
from textclf.data.readers.parquet import open_parquet, parquet_batches
from textclf.data.readers.rows import find_column
from textclf.errors import DataError, did_you_mean, listing

STDIN = "-"
PLAIN = "lines"
KNOWN_FORMATS = (PLAIN, "csv", "tsv", "jsonl", "parquet")


def iter_texts(
    source: str,
    *,
    format: str = "auto",
    text_column: str = "text",
    encoding: str = "utf-8",
    header: bool = True,
    quoting: str = "auto",
    delimiter: str | None = None,
    errors: str = "replace",
) -> Iterator[str]:
    """Yield the texts of a source: one for each row, in order, empty ones included; `iter_pairs` yields pairs.

    Bytes that are not in the encoding become U+FFFD, because one bad byte must not end a stream of
    predictions. A row without a text (too few fields, no JSON, null) does end it: leaving it out would
    shift every prediction after it.

    Args:
        source: Path of a file, also `.gz`, or `-` for standard input.
        format: lines (each line is a text), csv, tsv, jsonl or parquet; auto goes by the name, and takes
            `.txt` and standard input for lines.
        text_column: Name of the column or field, if the format has any.
        encoding: As Python names it.
        header: Whether CSV and TSV begin with a line of names; without it columns are called 1, 2, …
        quoting: auto, standard or none, as in `DataConfig.quoting`.
        delimiter: Character between the fields of CSV and TSV; None is a comma or a tab.
        errors: Codec error handler for the bytes that are not in the encoding, for who wants to count them.

    Raises:
        DataError: The source cannot be read, the column is missing, or a row has no text.
    """
    columns = {"the option for the text column": text_column}
    written = _Written(encoding, header, quoting, delimiter, errors)
    yield from (text for (text,) in _rows(source, _format(source, format), columns, written))


def iter_pairs(
    source: str,
    *,
    pair_column: str,
    format: str = "auto",
    text_column: str = "text",
    encoding: str = "utf-8",
    header: bool = True,
    quoting: str = "auto",
    delimiter: str | None = None,
    errors: str = "replace",
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of texts of a source, as `iter_texts` does texts.

    Args:
        source: Path of a file, or `-` for standard input, whose format must be named then.
        pair_column: Name of the column or field of the second text.
        format: csv, tsv, jsonl or parquet; auto goes by the name. Plain lines hold no pairs.
        text_column: Name of the column or field of the first text.
        encoding: As Python names it.
        header: Whether CSV and TSV begin with a line of names; without it columns are called 1, 2, …
        quoting: auto, standard or none, as in `DataConfig.quoting`.
        delimiter: Character between the fields of CSV and TSV; None is a comma or a tab.
        errors: Codec error handler for the bytes that are not in the encoding.

    Raises:
        DataError: The source cannot be read or holds plain lines, a column is missing, or a row lacks a text.
    """
    name = _format(source, format)
    if name == PLAIN:
        raise DataError(
            f"'{source}' is read as plain lines, which hold one text each; expected pairs of texts. Write them as "
            f"{listing(KNOWN_FORMATS[1:])}, and name the format with data.format where the name does not tell it."
        )
    columns = {"the option for the text column": text_column, "the option for the second text's column": pair_column}
    written = _Written(encoding, header, quoting, delimiter, errors)
    yield from ((text, pair) for text, pair in _rows(source, name, columns, written))


@dataclass(frozen=True)
class _Written:
    """How a text file is written; the fields are those of `iter_texts`."""

    encoding: str
    header: bool
    quoting: str
    delimiter: str | None
    errors: str


def _rows(source: str, name: str, columns: dict[str, str], written: _Written) -> Iterator[list[str]]:
    """Yield the texts of each row of a source.

    Args:
        source: As in `iter_texts`.
        name: Of the format.
        columns: Names of the columns, by what an error calls the option that names each.
        written: How it is written.
    """
    if name == "parquet":
        yield from _parquet_texts(source, columns)
        return
    # A text may hold a carriage return, so plain lines and JSON end at line feeds only; csv looks for itself.
    newline = "" if name in DELIMITERS else "\n"
    with _open(source, written.encoding, newline, written.errors) as file:
        if name == PLAIN:
            yield from ([line.removesuffix("\n").removesuffix("\r")] for line in file)
        elif name == "jsonl":
            yield from _jsonl_texts(file, source, list(columns.values()))
        else:
            rows = delimited_rows(file, delimiter_of(written.delimiter, name), is_quoted(written.quoting, name))
            yield from _delimited_texts(rows, source, columns, written.header)


def _delimited_texts(
    rows: Iterator[NumberedFields], source: str, columns: dict[str, str], header: bool
) -> Iterator[list[str]]:
    names, rows = column_names(rows, header, source)
    if names:
        hint = columns_hint(header, names)
        found = [find_column(column, names, source, option, hint) for option, column in columns.items()]
    for line, fields in rows:
        if isinstance(fields, csv.Error):
            raise _no_text(source, line, f"{problems.QUOTES} ({fields})")
        if len(fields) != len(names):
            raise _no_text(source, line, f"expected {len(names)} fields, got {len(fields)}")
        yield [fields[index] for index in found]


def _format(source: str, named: str) -> str:
    if named != "auto":
        if named not in KNOWN_FORMATS:
            raise DataError(
                f"format: expected {listing(KNOWN_FORMATS)}, got '{named}'.{did_you_mean(named, KNOWN_FORMATS)}"
            )
        return named
    if source == STDIN:
        return PLAIN
    found = format_of(source)
    if found == "fasttext":
        return PLAIN
    if found not in KNOWN_FORMATS:
        raise DataError(
            f"'{source}': expected a file or '-' with texts to predict, got the source of a {found} data set."
        )
    return found


@contextmanager
def _standard_input(encoding: str, newline: str, errors: str) -> Iterator[TextIO]:
    text = decoded(cast(BinaryIO, sys.stdin.buffer), encoding, newline=newline, errors=errors)
    try:
        yield text
    finally:
        text.detach()  # standard input is not ours to close


def _open(source: str, encoding: str, newline: str, errors: str) -> AbstractContextManager[TextIO]:
    if source == STDIN:
        return _standard_input(encoding, newline, errors)
    return open_text(Path(source), encoding, newline=newline, errors=errors)


def _jsonl_texts(file: TextIO, source: str, columns: Sequence[str]) -> Iterator[list[str]]:
    for line, value in json_objects(file):
        if isinstance(value, str):
            raise _no_text(source, line, value)
        for column in columns:
            if column not in value:
                raise _no_text(source, line, missing_field(column, value))
        yield _strings([value[column] for column in columns], columns, source, line)


def _parquet_texts(source: str, columns: dict[str, str]) -> Iterator[list[str]]:
    line = 0
    with open_parquet(source) as file:
        for option, column in columns.items():
            find_column(column, file.schema_arrow.names, source, option)
        names = list(columns.values())
        for batch in parquet_batches(file, names):
            for texts in zip(*batch, strict=True):
                line += 1
                yield _strings(texts, names, source, line)


def _strings(texts: Sequence[Any], columns: Sequence[str], source: str, line: int) -> list[str]:
    for text, column in zip(texts, columns, strict=True):
        if not isinstance(text, str):
            raise _no_text(source, line, f"'{column}' should be a string, but is {text!r:.40}")
    return list(texts)


def _no_text(source: str, line: int, problem: str) -> DataError:
    return DataError(f"'{source}', line {line}: {problem}. Mend the row: there is no text to predict.")
