"""Parquet, by pyarrow, which is imported only here and only when it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textclf.config import DataConfig
from textclf.data.examples import Row
from textclf.data.files import explained, open_binary
from textclf.data.readers.rows import checked, find_column
from textclf.errors import DataError
from textclf.optional import import_optional

BATCH_ROWS = 8192


def read_parquet(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of a Parquet file, batch by batch; the first row is number 1.

    Args:
        source: Path of the file.
        config: The columns count.

    Raises:
        DataError: pyarrow is not installed, the file is no Parquet, a column is missing, or its
            type is not text (for labels: text, whole numbers or true/false).
    """
    with open_parquet(source) as file:
        for option, name in config.columns.items():
            find_column(name, file.schema_arrow.names, source, option)
        for name in config.columns.values():
            _check_type(file, name, source, may_be_number=name == config.label_column)
        number = 0
        for columns in parquet_batches(file, [*config.columns.values()]):
            for text, label, *pair in zip(*columns, strict=True):
                number += 1
                yield checked(text, label, source, number, *pair)


@contextmanager
def open_parquet(source: str) -> Iterator[Any]:
    """Open a `pyarrow.parquet.ParquetFile`; what goes wrong inside the `with` becomes a `DataError` too."""
    pyarrow = import_optional("pyarrow", "parquet", "Reading Parquet")
    parquet = import_optional("pyarrow.parquet", "parquet", "Reading Parquet")
    path = Path(source)
    with explained(path):
        open_binary(path).close()  # for the words that any other missing file gets
        try:
            with parquet.ParquetFile(path) as file:
                yield file
        except (pyarrow.ArrowException, UnicodeDecodeError) as error:
            raise DataError(f"'{source}' cannot be read as Parquet: {error}") from None


def parquet_batches(file: Any, names: list[str]) -> Iterator[list[list[Any]]]:
    """Yield batches of rows, each as one list of Python values a column."""
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names):
        yield [batch.column(name).to_pylist() for name in names]


def readable_columns(file: Any) -> list[str]:
    """Return the names of the columns that could be a text or a label."""
    names = file.schema_arrow.names
    return [name for name in names if names.count(name) == 1 and _fits(file, name, may_be_number=True)]


def _check_type(file: Any, name: str, source: str, *, may_be_number: bool) -> None:
    if not _fits(file, name, may_be_number=may_be_number):
        wanted = "text, whole numbers or true/false" if may_be_number else "text"
        column_type = file.schema_arrow.field(name).type
        raise DataError(f"'{source}': column '{name}' should hold {wanted}, but holds {column_type}.")


def _fits(file: Any, name: str, *, may_be_number: bool) -> bool:
    types = import_optional("pyarrow.types", "parquet", "Reading Parquet")
    column_type = file.schema_arrow.field(name).type
    value_type = column_type.value_type if types.is_dictionary(column_type) else column_type
    # A column of nothing but nulls has a type of its own; its rows are reported one by one.
    fits = [types.is_string, types.is_large_string, types.is_string_view, types.is_null]
    if may_be_number:
        fits += [types.is_integer, types.is_boolean]
    return any(fit(value_type) for fit in fits)
