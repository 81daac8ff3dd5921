"""A run directory: what training leaves, and how it is read back."""

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.config import Config, dump_config, load_config
from textclf.errors import RunError
from textclf.evaluation.scores import Scores
from textclf.models.base import TextModel
from textclf.models.builder import load_model, save_model
from textclf.models.tasks import TASKS
from textclf.text.tokenizer import Tokenizer
from textclf.training.prediction import Encoded, Predictor

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
    """

    path: Path
    config: Config
    labels: list[str]
    tokenizer: Tokenizer
    model: TextModel
    results: dict[str, Any]

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
            raise RunError(
                f"The run '{path}' has no {MODEL}: its training ended before the first evaluation on dev. "
                f"Train it again: textclf train {path / CONFIG} --run {path} --force"
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

    def probabilities(self, texts: list[str]) -> NDArray[np.float32]:
        """Return every label's score for each text, float32[texts, labels], as the export gives them."""
        unknown_targets = np.zeros(len(texts), np.int32)
        return self._predictor(Encoded(self.tokenizer.encode(texts), unknown_targets)).probabilities

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self.model, TASKS[self.config.task], self.labels)


def model_name(config: Config) -> str:
    """Return the registered name of a config's model."""
    name: str = config.model.model_dump()["name"]
    return name


class RunWriter:
    """Writes a run directory file by file; each file is whole or not there.

    A run that is replaced stays beside the new one, under a name with a dot, until the new one has a model;
    `abandon` puts it back, so that a new run that fails costs nothing.

    Args:
        path: Where to write; an empty or missing folder, or with `force` a run to replace.
        force: Whether a run that stands there is replaced.

    Raises:
        RunError: Something stands there that may not be replaced.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        """Make the directory."""
        self.path = path
        absolute = path.absolute()
        self._replaced = absolute.with_name(f".{absolute.name}.replaced")
        if path.is_dir() and any(path.iterdir()):
            if not force:
                raise RunError(f"'{path}' is there already. Choose another --run, or replace it with --force.")
            # A config alone does not make a run: `textclf init` writes one where the user works.
            lacking = [name for name in (CONFIG, LABELS) if not (path / name).is_file()]
            if lacking:
                raise RunError(f"'{path}' is no run directory (no {lacking[0]} in it), so --force does not remove it.")
            self._set_aside()
        elif path.exists() and not path.is_dir():
            raise RunError(f"'{path}' is a file; a run needs a directory. Choose another --run.")
        path.mkdir(parents=True, exist_ok=True)

    def _set_aside(self) -> None:
        """Move the run that is replaced; one that was set aside by a run that was killed is the better one."""
        if self._replaced.exists() and not (self.path / MODEL).is_file():
            shutil.rmtree(self.path)
            return
        shutil.rmtree(self._replaced, ignore_errors=True)
        self.path.absolute().rename(self._replaced)

    def abandon(self) -> None:
        """Undo a run that failed before it had a model: remove it, and put the one that it replaced back."""
        if (self.path / MODEL).is_file():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        if self._replaced.exists():
            self._replaced.rename(self.path.absolute())

    def write_start(self, config: Config, labels: list[str], tokenizer: Tokenizer) -> None:
        """Write what is known before training."""
        self._write_text(CONFIG, dump_config(config))
        self._write_text(LABELS, json.dumps(labels, ensure_ascii=False, indent=1))
        tokenizer.save(self.path)

    def write_model(self, model: TextModel) -> None:
        """Write the model, replacing an older one at once."""
        unfinished = self.path / f"unfinished-{MODEL}"
        save_model(model, unfinished)
        unfinished.replace(self.path / MODEL)
        shutil.rmtree(self._replaced, ignore_errors=True)

    def write_results(self, results: dict[str, Any]) -> None:
        """Write `scores.json`, the last file of a finished run."""
        self._write_text(SCORES, json.dumps(results, ensure_ascii=False, indent=1))

    def _write_text(self, name: str, text: str) -> None:
        unfinished = self.path / f"unfinished-{name}"
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(self.path / name)
