"""An exported classifier in Python: load it, ask it."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the ops of the tokenizer)
from numpy.typing import NDArray

from textclf.config import Config, DataConfig
from textclf.config.files import parse_values
from textclf.errors import ExportError
from textclf.runs.files import CONFIG_FILE, LABELS_FILE, SCORES_FILE
from textclf.savedmodel.files import EXTRA, GRAPH_FILE, MANIFEST_FILE
from textclf.savedmodel.manifest import alterations, check_manifest, entry_of
from textclf.savedmodel.signatures import ALL_SCORES, SCORES, TEXT, TEXT_PAIR
from textclf.serving.opening import find_version, opened
from textclf.store.versions import SEALED, version_number
from textclf.text.inputs import as_bytes, as_rows

_TEXTS = (LABELS_FILE, CONFIG_FILE, SCORES_FILE)
"""What is read of the files beside the graph."""
_INSIDE = r"\{\{.*?\}\} | \[Op:\w+\]"
"""What TensorFlow's messages say of its own inside."""


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
        path: The version's directory, or the file that it is sealed in.
        labels: The label vocabulary.
        signature: The SavedModel's signature `scores`, as TensorFlow Serving calls it.
        extra: The texts that stand beside the graph, as they were when it was loaded, by name.
    """

    path: Path
    labels: list[str]
    signature: Any
    extra: dict[str, str] = field(repr=False)

    @property
    def version(self) -> int | None:
        """The version's number; None if the export's folder has another name than a number."""
        return version_number(self.path.name.removesuffix(SEALED))

    @cached_property
    def config(self) -> Config:
        """The config of the run that was exported."""
        return Config.make(self._config_values())

    @cached_property
    def data_config(self) -> DataConfig:
        """How the run's data was written. Unlike `config` it does not ask for the model's class to be known here."""
        return Config.make({"data": self._config_values().get("data")}).data

    @cached_property
    def results(self) -> dict[str, Any]:
        """What the run measured: the `scores.json` of the run."""
        results: dict[str, Any] = json.loads(self._text(SCORES_FILE))
        return results

    @cached_property
    def takes_pairs(self) -> bool:
        """Whether it was trained on pairs of texts, and wants two texts a row."""
        return TEXT_PAIR in self.signature.structured_input_signature[1]

    def predict(
        self, texts: Iterable[str | bytes], batch_size: int = 64, *, pairs: Iterable[str | bytes] | None = None
    ) -> list[Prediction]:
        """Classify texts.

        Args:
            texts: The texts; bytes are read as UTF-8, invalid ones and half surrogate pairs as U+FFFD.
            batch_size: Texts at once.
            pairs: The second text of each row, if it `takes_pairs`.

        Returns:
            A prediction a row, in their order; none for no texts.

        Raises:
            TypeError: It is a single string, one of the texts is no string, or pairs are missing or too many.
            ValueError: `batch_size` is less than 1, or there are not as many second texts as texts.
        """
        return list(self.stream(texts, batch_size, pairs=pairs))

    def stream(
        self, texts: Iterable[str | bytes], batch_size: int = 64, *, pairs: Iterable[str | bytes] | None = None
    ) -> Iterator[Prediction]:
        """Yield a prediction a row as the texts come, holding one batch in memory; raises as `predict` does."""
        for batch in _batches(texts, pairs, self.takes_pairs, batch_size):
            for scores in self._ask(*batch):
                best = int(scores.argmax())
                every = dict(zip(self.labels, scores.tolist(), strict=True))
                yield Prediction(self.labels[best], every[self.labels[best]], every)

    def probabilities(
        self, texts: Iterable[str | bytes], batch_size: int = 64, *, pairs: Iterable[str | bytes] | None = None
    ) -> NDArray[np.float32]:
        """Return every label's score for each row, float32[rows, labels]; raises as `predict` does."""
        parts = [self._ask(*batch) for batch in _batches(texts, pairs, self.takes_pairs, batch_size)]
        return np.concatenate([np.zeros((0, len(self.labels)), np.float32), *parts])

    def _ask(self, texts: list[bytes], pairs: list[bytes] | None) -> NDArray[np.float32]:
        asked = {TEXT: texts} if pairs is None else {TEXT: texts, TEXT_PAIR: pairs}
        answer = self.signature(**{name: tf.constant(column, tf.string) for name, column in asked.items()})
        scores: NDArray[np.float32] = answer[SCORES].numpy()
        return scores

    def _config_values(self) -> dict[str, Any]:
        return parse_values(self._text(CONFIG_FILE), self.path / EXTRA / CONFIG_FILE)

    def _text(self, name: str) -> str:
        if name not in self.extra:
            raise ExportError(f"'{self.path}' holds no {EXTRA}/{name}. Export the run again with `textclf export`.")
        return self.extra[name]


def load(
    path: str | Path,
    *,
    key: bytes | str | Path | None = None,
    trusted_keys: Iterable[str | Path] | None = None,
) -> Classifier:
    """Load an exported classifier.

    Args:
        path: A version's directory such as `saved_models/demo/3`, a sealed one, `saved_models/demo/3.sealed`, or the
            model's directory, `saved_models/demo`, for the newest version.
        key: What opens a sealed version: the file of the key, or its 32 bytes. The version is opened in memory.
        trusted_keys: Files of public keys, of which one must have signed the version. A `trust.yaml` at the base
            path asks for the same.

    Raises:
        ConfigError: `trusted_keys` or `trust.yaml` is not as expected.
        ExportError: There is no export (a run is none), it is not one of textclf's, it is sealed and cannot be opened,
            or a signature is asked for and it is unsigned or altered.

    Example:
        >>> classifier = load("saved_models/quickstart")
        >>> classifier.predict(["Where is my parcel?"])[0].label
        'delivery'
    """
    found = find_version(Path(path), sealed=key is not None)
    version_path = found.resolve()
    with opened(found, key, trusted_keys) as folder:
        if not tf.io.gfile.exists(f"{folder}/saved_model.pb"):
            raise ExportError(f"'{version_path}' holds no saved_model.pb. Export the run again with `textclf export`.")
        if not tf.io.gfile.exists(f"{folder}/{EXTRA}/{LABELS_FILE}"):
            raise ExportError(
                f"'{version_path}' holds no {EXTRA}/{LABELS_FILE}: it is a SavedModel, but not one of textclf's."
            )
        _check_small(folder, str(version_path))
        try:
            loaded = tf.saved_model.load(folder)
            extra = _read_extra(folder)
            labels = json.loads(extra[LABELS_FILE])
            signature = loaded.signatures[ALL_SCORES]
        except Exception as error:  # protobuf's, the checkpoint reader's, json's: damage has them all
            reason = _reason(version_path, error)
            message = f"'{version_path}' is damaged: {reason}. Export the run again with `textclf export`."
            raise ExportError(message) from error
    # The signature lives as long as the object it came from.
    signature.loaded = loaded
    return Classifier(version_path, labels, signature, extra)


def _check_small(folder: str, what: str) -> None:
    """Refuse an opened version whose graph or texts beside it are not as its manifest says, if it has one.

    Of the variables TensorFlow checks its own sums. A vocabulary or a label's name that was altered gives answers.
    """
    if not tf.io.gfile.exists(f"{folder}/{MANIFEST_FILE}"):
        return
    found = {}
    for name in (GRAPH_FILE, *(f"{EXTRA}/{text}" for text in _TEXTS)):
        if tf.io.gfile.exists(f"{folder}/{name}"):
            with tf.io.gfile.GFile(f"{folder}/{name}", "rb") as file:
                found[name] = entry_of(file)
    with tf.io.gfile.GFile(f"{folder}/{MANIFEST_FILE}", "rb") as file:
        problems = alterations(file.read(), found)
    if problems:
        raise ExportError(f"'{what}' is damaged: {problems[0]} Export the run again with `textclf export`.")


def _reason(version_path: Path, error: Exception) -> str:
    """Return what is wrong with a version that cannot be loaded: by its manifest, or else in TensorFlow's words."""
    problems = check_manifest(version_path) if (version_path / MANIFEST_FILE).exists() else []
    said = str(error).strip().partition("\n")[0] or type(error).__name__
    return problems[0].removesuffix(".") if problems else re.sub(_INSIDE, "", said).rstrip(".")


def _read_extra(folder: str) -> dict[str, str]:
    """Return the texts beside the graph of an opened version, by name."""
    texts = {}
    for name in _TEXTS:
        path = f"{folder}/{EXTRA}/{name}"
        if tf.io.gfile.exists(path):
            with tf.io.gfile.GFile(path, "rb") as file:
                texts[name] = file.read().decode("utf-8-sig")
    return texts


def _batches(
    texts: Iterable[str | bytes], pairs: Iterable[str | bytes] | None, takes_pairs: bool, size: int
) -> Iterator[tuple[list[bytes], list[bytes] | None]]:
    """Yield texts and, of pairs, second texts, so many at once."""
    if size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {size}")
    for name, column in (("texts", texts), ("pairs", () if pairs is None else pairs)):
        if isinstance(column, str | bytes) or not isinstance(column, Iterable):
            as_bytes(column, name=name)  # refuses it
    texts, others, done = iter(texts), None if pairs is None else iter(pairs), 0
    while batch := list(itertools.islice(texts, size)):
        seconds = None if others is None else list(itertools.islice(others, len(batch)))
        yield as_rows(batch, seconds, takes_pairs, first=done)
        done += len(batch)
    if others is not None and next(others, None) is not None:
        raise ValueError(f"pairs: expected a second text for each of the {done} texts, got more.")
