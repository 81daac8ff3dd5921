"""A first config for a source: what `textclf init` writes."""

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from textclf.config import Config, DataConfig
from textclf.config.files import override
from textclf.data.examples import BadRow
from textclf.data.guess import MOST_ROWS, Guess, guess
from textclf.data.readers import FORMATS, format_of, read
from textclf.errors import DataError

GUESSED = tuple(field for field in DataConfig.model_fields if field in Guess.__dataclass_fields__)
"""What a guess says of `DataConfig`; both call it the same."""


def init(
    source: str, overrides: Iterable[str] = (), name: str | None = None, *, guessed: Guess | None = None
) -> Config:
    """Look at a source and return a config that trains on it.

    `textclf.config.comments.comment_config` writes it as YAML with a comment a field, `dump_config` without.

    Args:
        source: A file, a folder with a subfolder a class, `tfds:NAME` or `sample:NAME`.
        overrides: `dotted.key=value` strings on top of what was found.
        name: Name of the classifier; one made of the source's if None.
        guessed: What `guess_with` said of the source, if it was asked already.

    Raises:
        DataError: The source cannot be read, or no column looks like a text or like a label.
        ConfigError: The overrides or the name do not fit.

    Example:
        >>> config = init("sample:train", ["model=linear"])
        >>> config.name, config.data.text_column, config.data.label_column
        ('train', 'text', 'label')
    """
    overrides = list(overrides)
    found = guess_with(source, overrides) if guessed is None else guessed
    fields = {field: getattr(found, field) for field in GUESSED} | {"format": _format_to_write(source, found)}
    values = {"name": name or name_of(source), "data": {"train": source} | fields}
    return Config.make(override(values, overrides))


def guess_with(source: str, overrides: Iterable[str]) -> Guess:
    """Look at a source as `textclf.data.guess` does, in the encoding and for the pairs that the overrides say."""
    data = override({}, overrides).get("data")
    said = data if isinstance(data, dict) else {}
    known = {name: value for name in ("encoding", "pair_column") if isinstance(value := said.get(name), str)}
    return guess(source, **known)


def count_bad_rows(config: DataConfig) -> tuple[int, int]:
    """Return how many of the first rows of train are bad, and how many were looked at; of `tfds:` sources none are.

    Raises:
        DataError: The source cannot be read as the config says.
    """
    if format_of(config.train, config.format) == "tfds":  # its first row may be a download of gigabytes
        return 0, 0
    rows = list(islice(read(config.train, config), MOST_ROWS))
    return sum(isinstance(row, BadRow) for row in rows), len(rows)


def _format_to_write(source: str, found: Guess) -> str:
    """Return the format, or auto where the name tells it, so that dev and test may have another one."""
    try:
        named = format_of(source)
    except DataError:
        return found.format
    return "auto" if FORMATS[named].prefix or named == found.format else found.format


def name_of(source: str) -> str:
    """Return a name made of a source's: `data/My messages.csv.gz` gives `My-messages`.

    Example:
        >>> name_of("data/My messages.csv.gz"), name_of("tfds:imdb_reviews"), name_of("消息.csv")
        ('My-messages', 'imdb_reviews', 'classifier')
    """
    stem = Path(source.rpartition(":")[2]).name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-_") or "classifier"
