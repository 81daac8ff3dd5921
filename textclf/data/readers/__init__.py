"""Readers: one small file a format, registered in the one table below."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from textclf.config import DataConfig
from textclf.data.examples import Row
from textclf.data.files import explained, missing
from textclf.data.readers import sample, tfds
from textclf.data.readers.delimited import read_csv, read_tsv
from textclf.data.readers.fasttext import read_fasttext
from textclf.data.readers.folder import read_folder
from textclf.data.readers.jsonl import read_jsonl
from textclf.data.readers.parquet import read_parquet
from textclf.data.readers.sample import read_sample
from textclf.data.readers.tfds import read_tfds
from textclf.errors import DataError, did_you_mean, listing


@dataclass(frozen=True)
class Format:
    """How a format is read and how its sources are known.

    Attributes:
        read: Yields the rows of a source.
        suffixes: How its files end; each also with `.gz` if `packed`.
        prefix: How its sources begin if they are no files.
        packed: Whether files may be gzipped.
        has_columns: Whether a row has columns, and so a place for the second text of a pair.
    """

    read: Callable[[str, DataConfig], Iterator[Row]]
    suffixes: tuple[str, ...] = ()
    prefix: str = ""
    packed: bool = True
    has_columns: bool = True


FORMATS: dict[str, Format] = {
    "csv": Format(read_csv, (".csv",)),
    "tsv": Format(read_tsv, (".tsv",)),
    "jsonl": Format(read_jsonl, (".jsonl", ".ndjson")),
    "parquet": Format(read_parquet, (".parquet",), packed=False),
    "fasttext": Format(read_fasttext, (".txt",), has_columns=False),
    "folder": Format(read_folder, has_columns=False),
    "tfds": Format(read_tfds, prefix=tfds.PREFIX),
    "sample": Format(read_sample, prefix=sample.PREFIX),
}
"""The formats there are. A new one is a file beside these, a line here, and its name in `DataConfig.format`."""


def read(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield every row of a source in its order, as an `Example` or a `BadRow`, reading as it goes.

    Args:
        source: A file, a folder with a subfolder a class, `tfds:NAME[:config][@split]` or `sample:NAME`.
        config: How the source is written; its own `train`, `dev` and `test` do not count.

    Raises:
        DataError: The source cannot be read; once a row was yielded, only if the rest cannot be.
    """
    name = format_of(source, config.format)
    if config.pair_column is not None and not FORMATS[name].has_columns:
        with_columns = listing(name for name, entry in FORMATS.items() if entry.has_columns and not entry.prefix)
        raise DataError(
            f"'{source}' is read as {name}, which has no columns, but data.pair_column={config.pair_column} asks for a "
            f"second text in each row. Write pairs as one of {with_columns}, or take data.pair_column out."
        )
    return FORMATS[name].read(source, config)


def format_of(source: str, named: str = "auto") -> str:
    """Return the name of a source's format.

    Args:
        source: As in `read`.
        named: The format as configured. A `tfds:` or `sample:` source is what its prefix says.

    Raises:
        DataError: The name does not tell the format.

    Example:
        >>> format_of("reviews.csv.gz"), format_of("tfds:imdb_reviews"), format_of("reviews.dat", "tsv")
        ('csv', 'tfds', 'tsv')
    """
    for name, entry in FORMATS.items():
        if entry.prefix and source.startswith(entry.prefix):
            return name
    if named != "auto":
        return named
    path = Path(source)
    with explained(path):
        if path.is_dir():
            return "folder"
        exists = path.exists()
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    suffix = "".join(suffixes[-2:-1] if packed else suffixes[-1:])
    for name, entry in FORMATS.items():
        if suffix in entry.suffixes and (entry.packed or not packed):
            return name
    raise DataError(_unknown_format(source, suffix) if exists else missing(path))


def source_for(source: str, split: str, config: DataConfig) -> str:
    """Return the source to read for a split: a `tfds:` source that names no split of its own gets this one.

    Example:
        >>> config = DataConfig(train="tfds:imdb_reviews")
        >>> source_for("tfds:imdb_reviews", "test", config), source_for("reviews.csv", "test", config)
        ('tfds:imdb_reviews@test', 'reviews.csv')
    """
    return f"{source}@{split}" if "@" not in source and format_of(source, config.format) == "tfds" else source


def _unknown_format(source: str, suffix: str) -> str:
    known = [known for entry in FORMATS.values() for known in entry.suffixes]
    hint = did_you_mean(suffix, known)
    return (
        f"'{source}': the name does not tell the format. Known are {listing(known)} (each but .parquet also with "
        f".gz), a folder with a subfolder a class, {tfds.PREFIX}NAME and {sample.PREFIX}NAME.{hint} "
        f"For a file with another ending name the format with data.format."
    )


__all__ = ["FORMATS", "Format", "format_of", "read", "source_for"]
