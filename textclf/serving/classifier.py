"""An exported classifier in Python: load it, ask it."""

import itertools
import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the ops of the tokenizer)
from numpy.typing import NDArray

from textclf.config import Config, DataConfig, load_config
from textclf.config.files import load_data_config
from textclf.errors import ExportError, did_you_mean, listing
from textclf.runs.directory import CONFIG_FILE, LABELS_FILE, SCORES_FILE, is_run
from textclf.savedmodel.files import EXTRA
from textclf.savedmodel.signatures import ALL_SCORES, SCORES, TEXT
from textclf.store.versions import version_number, versions
from textclf.text.inputs import as_bytes


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        label: The label with the highest score.
        score: Its score, 0 to 1.
        scores: Every label's score, in the label vocabulary's order; they sum to one.
    """

    label: str
    score: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Classifier:
    """A loaded version of an exported classifier; `load` makes one.

    Attributes:
        path: The version's directory.
        labels: The label vocabulary.
        signature: The SavedModel's signature `scores`, as TensorFlow Serving calls it.
    """

    path: Path
    labels: list[str]
    signature: Any

    @property
    def version(self) -> int | None:
        """The version's number; None if the export's folder has another name than a number."""
        return version_number(self.path.name)

    @cached_property
    def config(self) -> Config:
        """The config of the run that was exported."""
        return load_config(self.path / EXTRA / CONFIG_FILE)

    @cached_property
    def data_config(self) -> DataConfig:
        """How the run's data was written. Unlike `config` it does not ask for the model's class to be known here."""
        return load_data_config(self.path / EXTRA / CONFIG_FILE)

    @cached_property
    def results(self) -> dict[str, Any]:
        """What the run measured: the `scores.json` of the run."""
        results: dict[str, Any] = json.loads((self.path / EXTRA / SCORES_FILE).read_text(encoding="utf-8"))
        return results

    def predict(self, texts: Iterable[str | bytes], batch_size: int = 64) -> list[Prediction]:
        """Classify texts.

        Args:
            texts: The texts; bytes are read as UTF-8, invalid ones and half surrogate pairs as U+FFFD.
            batch_size: Texts at once.

        Returns:
            A prediction a text, in their order; none for no texts.

        Raises:
            TypeError: It is a single string, or one of the texts is no string.
            ValueError: `batch_size` is less than 1.
        """
        return list(self.stream(texts, batch_size))

    def stream(self, texts: Iterable[str | bytes], batch_size: int = 64) -> Iterator[Prediction]:
        """Yield a prediction a text as the texts come, holding one batch in memory; raises as `predict` does."""
        for batch in _batches(texts, batch_size):
            for scores in self._ask(batch):
                best = int(scores.argmax())
                every = dict(zip(self.labels, scores.tolist(), strict=True))
                yield Prediction(self.labels[best], every[self.labels[best]], every)

    def probabilities(self, texts: Iterable[str | bytes], batch_size: int = 64) -> NDArray[np.float32]:
        """Return every label's score for each text, float32[texts, labels]; raises as `predict` does."""
        parts = [self._ask(batch) for batch in _batches(texts, batch_size)]
        return np.concatenate([np.zeros((0, len(self.labels)), np.float32), *parts])

    def _ask(self, texts: list[bytes]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self.signature(**{TEXT: tf.constant(texts, tf.string)})[SCORES].numpy()
        return scores


def load(path: str | Path) -> Classifier:
    """Load an exported classifier.

    Args:
        path: A version's directory such as `saved_models/demo/3`, or the model's, `saved_models/demo`, for
            the newest version.

    Raises:
        ExportError: There is no export (a run is none), or it is not one of textclf's.

    Example:
        >>> classifier = load("saved_models/quickstart")
        >>> classifier.predict(["Where is my parcel?"])[0].label
        'delivery'
    """
    version_path = _newest(Path(path))
    labels_path = version_path / EXTRA / LABELS_FILE
    if not (version_path / "saved_model.pb").is_file():
        raise ExportError(f"'{version_path}' holds no saved_model.pb. Export the run again with `textclf export`.")
    if not labels_path.is_file():
        raise ExportError(
            f"'{version_path}' holds no {EXTRA}/{LABELS_FILE}: it is a SavedModel, but not one of textclf's."
        )
    try:
        loaded = tf.saved_model.load(str(version_path))
        labels = json.loads(labels_path.read_text(encoding="utf-8"))
        signature = loaded.signatures[ALL_SCORES]
    except Exception as error:  # protobuf's, the checkpoint reader's, json's: damage has them all
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        message = f"'{version_path}' is damaged: {reason}. Export the run again with `textclf export`."
        raise ExportError(message) from error
    # The signature lives as long as the object it came from.
    signature.loaded = loaded
    return Classifier(version_path, labels, signature)


def _newest(path: Path) -> Path:
    """Return the path itself if it is a version, or its newest version."""
    if (path / "saved_model.pb").is_file():
        return path.resolve()
    found = versions(path)
    if found:
        return (path / str(found[-1])).resolve()
    if not path.is_dir():
        raise ExportError(f"No export at '{path}'. {_neighbours(path)}")
    if is_run(path):
        command = shlex.join(["textclf", "export", str(path)])
        raise ExportError(f"'{path}' is a run, not an export. Export it with: {command}")
    raise ExportError(f"'{path}' holds neither a SavedModel nor numbered versions of one.")


def _neighbours(path: Path) -> str:
    """Return which exports stand beside a path that is none, or how to make one."""
    beside = sorted(other.name for other in path.parent.glob("*/") if versions(other))
    if not beside:
        return "`textclf export RUN` makes one under saved_models/."
    return f"In '{path.parent}' there are {listing(beside)}.{did_you_mean(path.name, beside)}"


def _batches(texts: Iterable[str | bytes], size: int) -> Iterator[list[bytes]]:
    if size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {size}")
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        as_bytes(texts)  # refuses it
    texts, done = iter(texts), 0
    while batch := list(itertools.islice(texts, size)):
        yield as_bytes(batch, first=done)
        done += len(batch)
