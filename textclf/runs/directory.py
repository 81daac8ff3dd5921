"""A run directory read back: what training leaves. `writer.py` writes it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.config import Config, load_config
from textclf.errors import RunError, refusal
from textclf.evaluation.scores import Scores
from textclf.models.base import TextModel
from textclf.models.builder import load_model, model_class
from textclf.models.tasks import TASKS
from textclf.runs.files import (
    BAD_ROWS_FILE,
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    LABELS_FILE,
    LOGS_FOLDER,
    MODEL_FILE,
    PLOTS_FOLDER,
    REPORT_FILE,
    SCORES_FILE,
    check_run,
)
from textclf.runs.lock import INSIDE
from textclf.text.inputs import as_rows
from textclf.text.tokenizer import TOKENIZER_FILES, Tokenizer
from textclf.training.prediction import Predictor

BEGUN = {CONFIG_FILE, LABELS_FILE, *TOKENIZER_FILES, BAD_ROWS_FILE, LOGS_FOLDER, CHECKPOINTS_FOLDER, INSIDE}
"""What a run that was just begun can hold."""
OWN = BEGUN | {MODEL_FILE, SCORES_FILE, REPORT_FILE, PLOTS_FOLDER}
"""What a run can hold; all else in its directory is somebody's."""


@dataclass(frozen=True)
class Run:
    """A run on disk.

    Attributes:
        path: The run directory.
        config: The resolved config.
        labels: The label vocabulary.
        tokenizer: Texts to ids.
        model: The model with its best weights.
        results: What `scores.json` holds; empty while the run is unfinished.
        predictor: What runs the model; made from the others if None.
    """

    path: Path
    config: Config
    labels: list[str]
    tokenizer: Tokenizer
    model: TextModel
    results: dict[str, Any]
    predictor: Predictor | None = field(default=None, repr=False, compare=False)

    @classmethod
    def load(cls, path: str | Path) -> "Run":
        """Read a run directory.

        A run that was killed can be read from its first evaluation on: it has its best weights, but no
        scores.

        Raises:
            RunError: It is no run directory, training never came to an evaluation, or a file is missing or damaged.
        """
        path = Path(path)
        check_run(path)
        config = load_config(path / CONFIG_FILE)
        tokenizer = model_class(config.model.name).load_tokenizer(path, config)
        model = load_model(path / MODEL_FILE, config.model.name)
        labels = _read_labels(path / LABELS_FILE, model.num_classes)
        results = _read_results(path / SCORES_FILE) if (path / SCORES_FILE).is_file() else {}
        return cls(path, config, labels, tokenizer, model, results)

    def scores(self, split: str = "test") -> Scores:
        """Return the scores that training measured on a split; `RunError` if there are none."""
        measured = self.results.get("scores", {})
        if split not in measured:
            raise RunError(f"The run '{self.path}' has no scores of '{split}'; it has {sorted(measured) or 'none'}.")
        return Scores.from_json(measured[split])

    def probabilities(
        self, texts: Iterable[str | bytes], pairs: Iterable[str | bytes] | None = None
    ) -> NDArray[np.float32]:
        """Return every label's score for each text, float32[texts, labels], as the export gives them.

        Args:
            texts: The texts; bytes are read as UTF-8. What is no UTF-8 in them is read as U+FFFD.
            pairs: The second text of each row, if the run was trained on pairs.

        Raises:
            TypeError: It is one string instead of many, something in it is no string, or pairs are missing or too many.
            ValueError: There are not as many second texts as texts.
        """
        rows = as_rows(texts, pairs, self.config.data.pair_column is not None)
        return self._predictor.probabilities(self.tokenizer.encode(*rows))

    @cached_property
    def _predictor(self) -> Predictor:
        return self.predictor or Predictor(
            self.model, TASKS[self.config.task], self.labels, temperature=self.temperature
        )

    @property
    def temperature(self) -> float:
        """What the logits are divided by before they become scores; 1 as long as the run is unfinished."""
        return float(self.results.get("calibration", {}).get("temperature", 1.0))


def _read_labels(path: Path, num_classes: int) -> list[str]:
    expected = f"the names of the model's {num_classes} labels, no two alike, as a JSON list. Train the run again."
    labels = _read_json(path, expected)
    is_names = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not is_names or not len(set(labels)) == len(labels) == num_classes:
        raise RunError(f"'{path}' holds {labels!r:.60}. Expected {expected}")
    return labels


def _read_results(path: Path) -> dict[str, Any]:
    expected = "what training measured, as a JSON object. Delete it to use the run without, or train the run again."
    results = _read_json(path, expected)
    if not isinstance(results, dict):
        raise RunError(f"'{path}' holds {results!r:.60}. Expected {expected}")
    return results


def _read_json(path: Path, expected: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or no JSON
        raise RunError(f"'{path}' cannot be read: {refusal(error)}. Expected {expected}") from error
