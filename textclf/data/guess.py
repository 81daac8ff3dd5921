"""How is this data written? The guess that `textclf init DATA` starts from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from textclf.data.columns import choose_columns, is_header, second_text
from textclf.data.dialect import find_dialect
from textclf.data.encodings import (
    NO_TEXT_FILE,
    EncodingGuess,
    check_encoding,
    guess_encoding,
    is_binary,
    sample_text,
)
from textclf.data.files import explained, open_binary, open_text
from textclf.data.readers import FORMATS, format_of
from textclf.data.readers.delimited import DELIMITERS, is_quoted
from textclf.data.readers.fasttext import LINE
from textclf.data.readers.folder import SUFFIXES, class_folders
from textclf.data.readers.jsonl import json_objects
from textclf.data.readers.parquet import open_parquet, parquet_batches, readable_columns
from textclf.data.readers.rows import find_column, label_name
from textclf.data.readers.sample import sample_path
from textclf.data.readers.tfds import tfds_builder
from textclf.data.table import whole_rows
from textclf.errors import DataError, listing

MOST_ROWS = 1000
SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True)
class Guess:
    """How a source seems to be written; the fields up to `delimiter` are those of `DataConfig`.

    Attributes:
        format: Never auto.
        text_column: Column or field with the text.
        label_column: Column or field with the label.
        header: Whether a CSV or TSV file begins with a line of names.
        encoding: As Python names it.
        quoting: auto, unless that would misread the file.
        delimiter: Character between the fields of a CSV or TSV file, unless it is a comma or a tab as usual.
        labels_found: The labels in the rows that were looked at, sorted.
        rows_looked_at: How many these were; 0 if the source describes itself.
        encoding_certainty: certain, likely or unsure.
        header_certainty: The same, of `header`.
        second_column: Another column of texts, which `data.pair_column` could name; None if none looks like it.
    """

    format: str
    text_column: str
    label_column: str
    header: bool
    encoding: str
    quoting: str
    delimiter: str | None
    labels_found: list[str]
    rows_looked_at: int
    encoding_certainty: str = "certain"
    header_certainty: str = "certain"
    second_column: str | None = None


def guess(source: str, encoding: str | None = None, pair_column: str | None = None) -> Guess:
    """Look at the beginning of a source and say how it is written.

    Args:
        source: As in `textclf.data.read`. The name of a file need not tell its format.
        encoding: As Python names it, if it is known; None guesses it too.
        pair_column: Column with the second text of each pair, if rows are pairs; it is not guessed.

    Raises:
        DataError: The source cannot be read, Python does not know the encoding, or no column looks like a text or
            like a label; the message names the columns and what to do.
    """
    if encoding is not None:
        check_encoding(encoding)
    name = _format(source, encoding)
    if name == "tfds":
        return _guess_tfds(source, pair_column)
    if name == "folder":
        return _guess_folder(source, encoding)
    if name == "parquet":
        return _guess_parquet(source, pair_column)
    path = sample_path(source) if name == "sample" else Path(source)
    found = _encoding(source, _beginning(path), encoding)
    if name == "jsonl":
        return _guess_jsonl(source, path, found, pair_column)
    if name == "fasttext":
        return _guess_fasttext(source, path, found)
    return _guess_delimited(source, path, "csv" if name == "sample" else name, found, pair_column)


def _format(source: str, encoding: str | None) -> str:
    """Return the format by the name, or by the content where the name says nothing or too little."""
    path = Path(source)
    with explained(path):
        is_file = path.is_file()
    if not is_file:
        return format_of(source)
    suffix = path.name.lower().removesuffix(".gz")
    known = next((name for name, entry in FORMATS.items() if suffix.endswith(entry.suffixes)), None)
    if known not in (None, "fasttext", "csv"):
        return str(known)
    beginning = _beginning(path)
    if known != "csv" and beginning.startswith(b"PAR1"):
        return "parquet"
    text = sample_text(beginning, _encoding(source, beginning, encoding).name).lstrip("\ufeff")
    first_line = text.partition("\n")[0]
    if known == "csv":
        return "tsv" if "\t" in first_line and "," not in first_line else "csv"
    if LINE.fullmatch(first_line):
        return "fasttext"
    if first_line.startswith("{"):
        return "jsonl"
    if "\t" in first_line:
        return "tsv"
    if known is None and re.search("[,;|]", first_line):
        return "csv"
    raise DataError(
        f"'{source}': expected labelled texts, but its first line is {first_line[:60]!r}. Write the label before each "
        "text (__label__NAME the text), or make a table with a column of texts and one of labels (.csv, .tsv, .jsonl)."
    )


def _encoding(source: str, beginning: bytes, named: str | None) -> EncodingGuess:
    """Return the encoding that is named or that a file looks like; `DataError` if it does not look like text in it."""
    if is_binary(beginning, named):
        raise DataError(f"'{source}' {NO_TEXT_FILE}")
    return EncodingGuess(named, "certain") if named else guess_encoding(beginning)


def _beginning(path: Path) -> bytes:
    with explained(path), open_binary(path) as binary:
        return binary.read(SAMPLE_BYTES)


def _guess_delimited(source: str, path: Path, name: str, encoding: EncodingGuess, pair_column: str | None) -> Guess:
    found = find_dialect(path, name, encoding.name, MOST_ROWS + 1)
    rows, width = whole_rows(found, source, pair_column), found.width
    columns = [[row[index] for row in rows[1:]] for index in range(width)]
    text, label = choose_columns(rows[0], columns, source, pair_column)
    header, header_certainty = is_header(rows[0], text, label, columns[label])
    if header and found.begins_broken:
        raise DataError(
            f"'{source}' begins with a line whose quotes are broken, before the names of its columns, "
            f"{listing(rows[0])}. Mend that line, or take it out."
        )
    names = rows[0] if header else [str(number) for number in range(1, width + 1)]
    for index in (text, label):
        find_column(names[index], names, source, "data.header=false")  # for two columns of one name
    data = (rows[1:] if header else rows)[: MOST_ROWS - found.odd_rows]
    quoting = "auto" if found.quoted == is_quoted("auto", name) else "standard" if found.quoted else "none"
    return _guess(
        name,
        names[text],
        names[label],
        [row[label] for row in data],
        encoding,
        header=header,
        quoting=quoting,
        delimiter=None if found.delimiter == DELIMITERS[name] else found.delimiter,
        header_certainty=header_certainty,
        odd_rows=found.odd_rows,
        second_column=second_text(names, columns, text, label),
    )


def _guess_jsonl(source: str, path: Path, encoding: EncodingGuess, pair_column: str | None) -> Guess:
    with open_text(path, encoding.name) as file:
        lines = [value for _, value in islice(json_objects(file), MOST_ROWS)]
    rows = [value for value in lines if isinstance(value, dict)]
    if not rows:
        raise DataError(f"'{source}' holds no JSON objects; expected one a line.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [[row.get(name) for row in rows] for name in names]
    text, label = choose_columns(names, columns, source, pair_column)
    second = second_text(names, columns, text, label)
    num_odd = len(lines) - len(rows)
    return _guess("jsonl", names[text], names[label], columns[label], encoding, odd_rows=num_odd, second_column=second)


def _guess_parquet(source: str, pair_column: str | None) -> Guess:
    with open_parquet(source) as file:
        names = readable_columns(file)
        batch = next(parquet_batches(file, names), None)
    columns: list[list[Any]] = [column[:MOST_ROWS] for column in batch] if batch else [[] for _ in names]
    text, label = choose_columns(names, columns, source, pair_column)
    second, encoding = second_text(names, columns, text, label), EncodingGuess("utf-8", "certain")
    return _guess("parquet", names[text], names[label], columns[label], encoding, second_column=second)


def _guess_fasttext(source: str, path: Path, encoding: EncodingGuess) -> Guess:
    with open_text(path, encoding.name) as file:
        matches = [LINE.fullmatch(line.rstrip("\r\n")) for line in islice(file, MOST_ROWS)]
    labels = [match[1] for match in matches if match]
    if not labels:
        raise DataError(f"'{source}' holds no line that begins with __label__.")
    return _guess("fasttext", "text", "label", labels, encoding)


def _guess_folder(source: str, named: str | None) -> Guess:
    folders = class_folders(Path(source))
    files = [file for folder in folders for file in islice(_text_files(folder), MOST_ROWS // len(folders) + 1)]
    if not files:
        raise DataError(f"'{source}': expected {source}/<label>/<file>.txt, but there is no such file.")
    sample = b"\n".join(_beginning(file)[: SAMPLE_BYTES // len(files)] for file in files)
    encoding = EncodingGuess(named, "certain") if named else guess_encoding(sample)
    found = _guess("folder", "text", "label", [folder.name for folder in folders], encoding)
    return Guess(**(vars(found) | {"rows_looked_at": len(files)}))


def _text_files(folder: Path) -> Iterator[Path]:
    with explained(folder):
        entries = sorted(folder.iterdir())
    return (file for file in entries if file.name.endswith(SUFFIXES) and not file.name.startswith("."))


def _guess_tfds(source: str, pair_column: str | None) -> Guess:
    """Take the first feature that is a text and the first that is a class label; no row is read."""
    features = tfds_builder(source).info.features
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    texts = [name for name, kind in kinds.items() if kind == "Text" and name != pair_column]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    if not texts or not labels:
        held = listing(f"{name}: {kind}" for name, kind in kinds.items())
        raise DataError(
            f"'{source}' has no feature of type {'ClassLabel' if texts else 'Text'}; it has {held}. "
            "Name the columns with data.text_column and data.label_column."
        )
    names = sorted(features[labels[0]].names)
    return Guess("tfds", texts[0], labels[0], True, "utf-8", "auto", None, names, 0)


def _guess(
    name: str,
    text_column: str,
    label_column: str,
    labels: list[Any],
    encoding: EncodingGuess,
    *,
    header: bool = True,
    quoting: str = "auto",
    delimiter: str | None = None,
    header_certainty: str = "certain",
    odd_rows: int = 0,
    second_column: str | None = None,
) -> Guess:
    called = map(label_name, labels)
    labels_found = sorted({label for label in called if label and not label.isspace()})
    return Guess(
        format=name,
        text_column=text_column,
        label_column=label_column,
        header=header,
        encoding=encoding.name,
        quoting=quoting,
        delimiter=delimiter,
        labels_found=labels_found,
        rows_looked_at=len(labels) + odd_rows,
        encoding_certainty=encoding.certainty,
        header_certainty=header_certainty,
        second_column=second_column,
    )
