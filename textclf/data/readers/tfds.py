"""TensorFlow Datasets: `tfds:NAME[:config][@split]`. It and TensorFlow are imported only when used."""

import os
from collections.abc import Iterator
from typing import Any

from textclf.config import DataConfig
from textclf.data import problems
from textclf.data.examples import BadRow, Row
from textclf.data.readers.rows import checked, find_column
from textclf.errors import DataError, listing
from textclf.optional import import_optional

PREFIX = "tfds:"
SPLIT_NAMES = {"train": ("train",), "dev": ("validation", "dev", "valid"), "test": ("test",)}
"""What data sets call our splits."""


def read_tfds(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of one split of a data set, in its order; the first row is number 1.

    A data set that is not on the disk is prepared, which most of them do by downloading. The folder is
    that of the environment's `TFDS_DATA_DIR`, else TensorFlow Datasets' own.

    Args:
        source: `tfds:NAME`, `tfds:NAME:config`, either with `@split`: train, dev, test or any
            name or slice that the data set knows, such as `@train[:10%]`. Without one it is train.
        config: The columns name features. A `ClassLabel` gives its names.

    Raises:
        DataError: tensorflow-datasets is not installed, or the data set, the split or a feature is missing.
    """
    name, _, split = source.removeprefix(PREFIX).partition("@")
    builder = tfds_builder(source)
    features = builder.info.features
    for option, column in config.columns.items():
        find_column(column, list(features), source, option)
    class_names = getattr(features[config.label_column], "names", None)
    for number, row in enumerate(_rows(builder, name, split or "train"), start=1):
        text, label, *pair = (_python(row[column]) for column in config.columns.values())
        if class_names is not None:
            # -1 is how a ClassLabel says that there is none.
            label = class_names[label] if 0 <= label < len(class_names) else None
        if any(isinstance(value, bytes) for value in (text, label, *pair)):
            yield BadRow(source, number, problems.NOT_UNICODE, "bytes that are not UTF-8")
        else:
            yield checked(text, label, source, number, *pair)


def tfds_builder(source: str) -> Any:
    """Return the builder of a source's data set."""
    tfds = import_optional("tensorflow_datasets", "tfds", "Reading tfds: sources")
    name = source.removeprefix(PREFIX).partition("@")[0].replace(":", "/", 1)
    try:
        return tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
    except ImportError as error:
        raise DataError(f"'{source}' needs a package that is not installed: {error}.") from None
    except Exception as error:  # whatever a data set's own code raises, the way out is the same
        raise DataError(
            f"'{source}': TensorFlow Datasets has no such data set or cannot load it ({_first_line(error)}). "
            f"Expected tfds:NAME or tfds:NAME:config; TFDS_DATA_DIR names the folder with your own."
        ) from None


def _rows(builder: Any, name: str, split: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split as numpy values, in the order of the files."""
    tfds = import_optional("tensorflow_datasets", "tfds", "Reading tfds: sources")
    import_optional("tensorflow", "tfds", "Reading tfds: sources")
    try:
        builder.download_and_prepare()
        # One file at a time: interleaved, the order would hang on the number of files.
        one_by_one = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        dataset = builder.as_dataset(split=_split_name(builder, name, split), read_config=one_by_one)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"'tfds:{name}@{split}' cannot be read: {_first_line(error)}.") from None
    yield from tfds.as_numpy(dataset)


def _split_name(builder: Any, name: str, split: str) -> str:
    """Return the data set's own name of a split."""
    known = list(builder.info.splits)
    wanted = SPLIT_NAMES.get(split, (split,))
    found = [candidate for candidate in wanted if candidate.partition("[")[0] in known]
    if not found:
        raise DataError(f"'tfds:{name}' has no split {listing(wanted)}; it has {listing(known)}. Name one with @.")
    return found[0]


def _python(value: Any) -> Any:
    """Return a numpy value as Python's; bytes that are no UTF-8 stay bytes."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
