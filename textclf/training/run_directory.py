"""A run directory read back: what training leaves. `run_writer.py` writes it."""

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.config import Config, load_config
from textclf.errors import RunError
from textclf.evaluation.scores import Scores
from textclf.models.base import TextModel
from textclf.models.builder import load_model
from textclf.models.tasks import TASKS
from textclf.text.inputs import as_bytes
from textclf.text.tokenizer import Tokenizer
from textclf.training.prediction import Predictor

CONFIG, LABELS, MODEL, SCORES = "config.yaml", "labels.json", "model.keras", "scores.json"
REPORT, LOGS, BAD_ROWS = "report.html", "logs", "bad_rows.jsonl"


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
            RunError: It is no run directory, or training never came to an evaluation.
        """
        path = Path(path)
        if not (path / CONFIG).is_file():
            raise RunError(
                f"Expected a run directory with a {CONFIG} at '{path}', found none. `textclf train` makes one."
            )
        if not (path / MODEL).is_file():
            command = ["textclf", "train", str(path / CONFIG), "--run", str(path), "--force"]
            raise RunError(
                f"The run '{path}' has no {MODEL}: its training ended before the first evaluation on dev. "
                f"Train it again: {shlex.join(command)}"
            )
        config = load_config(path / CONFIG)
        labels = json.loads((path / LABELS).read_text(encoding="utf-8"))
        results = json.loads((path / SCORES).read_text(encoding="utf-8")) if (path / SCORES).is_file() else {}
        tokenizer = Tokenizer.load(path, config.text)
        model = load_model(path / MODEL, model_name(config))
        return cls(path, config, labels, tokenizer, model, results)

    def scores(self, split: str = "test") -> Scores:
        """Return the scores that training measured on a split; `RunError` if there are none."""
        measured = self.results.get("scores", {})
        if split not in measured:
            raise RunError(f"The run '{self.path}' has no scores of '{split}'; it has {sorted(measured) or 'none'}.")
        return Scores.from_json(measured[split])

    def probabilities(self, texts: Iterable[str | bytes]) -> NDArray[np.float32]:
        """Return every label's score for each text, float32[texts, labels], as the export gives them.

        Args:
            texts: The texts; bytes are read as UTF-8. What is no UTF-8 in them is read as U+FFFD.

        Raises:
            TypeError: It is one string instead of many, or something in it is no string.
        """
        return self._predictor.probabilities(self.tokenizer.encode(as_bytes(texts)))

    @cached_property
    def _predictor(self) -> Predictor:
        return self.predictor or Predictor(self.model, TASKS[self.config.task], self.labels)


def model_name(config: Config) -> str:
    """Return the registered name of a config's model."""
    name: str = config.model.model_dump()["name"]
    return name
