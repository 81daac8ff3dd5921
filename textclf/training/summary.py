"""What a finished training is summed up in: `scores.json` and the report."""

import importlib.metadata
import platform
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.config import Config, dump_config
from textclf.data import Corpus
from textclf.evaluation import Evaluation
from textclf.evaluation.calibration import reliability, scale
from textclf.models.base import TextModel
from textclf.training.memory import peak_megabytes
from textclf.training.prediction import Encoded, Outcome
from textclf.training.state import TrainingState

_VERSIONED = ("textclf", "tensorflow", "tensorflow-text", "keras", "numpy", "scikit-learn")
_SHARES = (50, 90, 99, 100)
"""Percentiles of the texts' lengths."""
_FACTS = {
    "bad_rows": ("bad rows dropped", "{:,}"),
    "parameters": ("parameters", "{:,}"),
    "seconds": ("seconds", "{:,.0f}"),
    "peak_mb": ("peak memory", "{:,} MB"),
    "data_fingerprint": ("data fingerprint", "{}"),
}


@dataclass(frozen=True, eq=False)
class TrainingSummary:
    """A training with its best weights scored.

    Attributes:
        config: The resolved config.
        corpus: The rows that were read.
        splits: The same rows encoded, by split.
        model: The model with its best weights.
        state: How the loop went.
        outcomes: The model's answers for dev and test, by split, at the temperature 1.
        temperature: What the logits are divided by for the scores that are given.
        seconds: From reading the data to the scores.
    """

    config: Config
    corpus: Corpus
    splits: dict[str, Encoded]
    model: TextModel
    state: TrainingState
    outcomes: dict[str, Outcome]
    temperature: float
    seconds: float

    @cached_property
    def results(self) -> dict[str, Any]:
        """What `scores.json` holds; peak memory is that of the process until it is first asked for."""
        return {
            "name": self.config.name,
            "model": self.config.model.name,
            "monitor": self.config.training.monitor,
            "scores": {name: outcome.scores.to_json() for name, outcome in self.outcomes.items()},
            "losses": {name: outcome.loss for name, outcome in self.outcomes.items()},
            "best_step": self.state.best_step,
            "interrupted": self.state.interrupted,
            "history": self.state.history,
            "parameters": self.model.count_params(),
            "seconds": round(self.seconds, 2),
            "peak_mb": peak_megabytes(),
            "rows": {name: len(split) for name, split in self.corpus.splits.items()},
            "tokens": {str(share): int(length) for share, length in zip(_SHARES, self._lengths(), strict=True)},
            "bad_rows": len(self.corpus.bad_rows),
            "calibration": self._calibration(),
            "data_fingerprint": self.corpus.fingerprint,
            "versions": versions(),
        }

    def probabilities(self, name: str) -> npt.NDArray[np.float32]:
        """Return the scores that are given for a split, float32[rows, classes]."""
        return scale(self.outcomes[name].probabilities, self.temperature).astype(np.float32)

    def _lengths(self) -> npt.NDArray[np.int64]:
        """Return the lengths, in tokens, that shares of the training texts are not above, as the model sees them."""
        lengths: npt.NDArray[np.int64] = np.percentile(self.splits["train"].lengths, _SHARES, method="inverted_cdf")
        return lengths

    def _calibration(self) -> dict[str, Any]:
        """Return the temperature, and for each split what it changes."""
        found: dict[str, Any] = {"temperature": self.temperature}
        for name, outcome in self.outcomes.items():
            targets = self.splits[name].targets
            before, after = (reliability(each, targets) for each in (outcome.probabilities, self.probabilities(name)))
            found[name] = {"before": before.to_json(), "after": after.to_json()}
        return found

    def evaluation(self) -> Evaluation:
        """Return what the report shows: test, or dev where there is no test."""
        name = "test" if "test" in self.outcomes else "dev"
        split = self.corpus.splits[name]
        return Evaluation(
            title=self.config.name,
            split=name,
            labels=self.corpus.labels,
            texts=split.texts,
            pairs=split.pairs,
            targets=self.splits[name].targets,
            probabilities=self.probabilities(name),
            temperature=self.temperature,
            places=split.places,
            history=self.results["history"],
            config_yaml=dump_config(self.config),
            facts=facts(self.results),
            versions=self.results["versions"],
            other_scores={other: outcome.scores for other, outcome in self.outcomes.items() if other != name},
            model=self.results["model"],
        )


def facts(results: dict[str, Any]) -> dict[str, str]:
    """Return what a report says of data and training, in order.

    Args:
        results: What `TrainingSummary.results` holds, or what of it an older or unfinished run has.
    """
    said = {f"rows of {part}": f"{count:,}" for part, count in results.get("rows", {}).items()}
    for key, (title, form) in _FACTS.items():
        if key in results:
            said[title] = "not known" if results[key] is None else form.format(results[key])
    if results.get("history") and {"best_step", "monitor"} <= results.keys():
        said["best step"] = f"{results['best_step']:,}, by {results['monitor']} on dev"
    return said


def versions() -> dict[str, str]:
    """Return the versions of what a run's numbers depend on, as installed here."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found
