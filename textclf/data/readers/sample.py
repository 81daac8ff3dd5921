"""The small data set that ships with textclf: `sample:train`, `sample:dev` and `sample:test`."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from textclf.config import DataConfig
from textclf.data.examples import Row
from textclf.data.readers.delimited import read_delimited
from textclf.errors import DataError, did_you_mean, listing

PREFIX = "sample:"
NAMES = ("train", "dev", "test")


def read_sample(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of one file of the sample, which has the columns text, label and language.

    Args:
        source: `sample:train`, `sample:dev` or `sample:test`.
        config: The columns count; how the file is written is known.

    Raises:
        DataError: There is no such sample.
    """
    as_written = config.model_copy(
        update={"header": True, "quoting": "standard", "delimiter": None, "encoding": "utf-8"}
    )
    return read_delimited(sample_path(source), source, "csv", as_written)


def sample_path(source: str) -> Path:
    """Return the file behind a `sample:` source."""
    name = source.removeprefix(PREFIX)
    if name not in NAMES:
        known = [PREFIX + known for known in NAMES]
        raise DataError(f"There is no '{source}'; there are {listing(known)}.{did_you_mean(source, known)}")
    return Path(str(resources.files("textclf") / "samples" / f"{name}.csv"))
