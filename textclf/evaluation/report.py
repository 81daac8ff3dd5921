"""The report of a run: one HTML file that a person can read, mail and print."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from textclf.errors import DataError
from textclf.evaluation.calibration import Reliability, reliability, scale
from textclf.evaluation.checks import check_labels, check_predictions
from textclf.evaluation.curves import PrecisionRecallCurve, precision_recall_curves
from textclf.evaluation.mistakes import Place, confident_mistakes, confused_pairs
from textclf.evaluation.plots import History, shown_scores, write_plots
from textclf.evaluation.scores import Scores, confusion_matrix
from textclf.evaluation.table import shorten
from textclf.writing import replacing

MOST_CLASSES_IN_MATRIX = 40
MOST_HISTORY_ROWS = 200
LONGEST_TEXT = 400


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a report is made of: a split, what the model said of it, and how the model came to be.

    Attributes:
        title: Name of the run.
        split: Name of the split that is judged: `test`, `dev`, …
        labels: Name of each class.
        texts: The texts of the split, `n` of them.
        targets: `int[n]`, the right class ids.
        probabilities: `float32[n, classes]`.
        places: Source and line of each text, `n` of them, where they are known.
        history: A record an evaluation during training: `epoch`, `step`, `train_loss`, `dev_loss` (None where it
            was not measured), `dev` (scores by name), `learning_rate`, `examples_per_second`, `seconds`. Empty
            for models that are not trained in epochs, None if it was not recorded.
        config_yaml: The resolved config of the training, as YAML.
        facts: What is known of the data and the training, in order: rows of each split, parameters, …
        versions: Versions of what the run was made with, by name.
        other_scores: Scores of other splits, by the split's name.
        model: Name of the model, for the headline.
        command: The command that scores the model on this data again, if it is none of the run's own splits.
        temperature: What the logits were divided by for the probabilities.
        pairs: The second text of each row, `n` of them, if rows are pairs.

    Raises:
        DataError: There are no rows, or texts, arrays, labels and places do not fit each other.
    """

    title: str
    split: str
    labels: Sequence[str]
    texts: Sequence[str]
    targets: npt.NDArray[np.integer]
    probabilities: npt.NDArray[np.floating]
    places: Sequence[Place] | None = None
    history: History | None = ()
    config_yaml: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    other_scores: Mapping[str, Scores] = field(default_factory=dict)
    model: str = ""
    command: str = ""
    temperature: float = 1.0
    pairs: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check that everything fits, before minutes are spent on plots."""
        check_labels(self.labels)
        check_predictions(self.targets, self.probabilities, self.labels)
        if not len(self.texts):
            raise DataError(f"report: expected rows in the split '{self.split}', got none; name a split that has some")
        for name, values in (("texts", self.texts), ("places", self.places), ("pairs", self.pairs)):
            if values is not None and len(values) != len(self.targets):
                raise DataError(f"{name}: expected one for each of the {len(self.targets)} targets, got {len(values)}")

    @cached_property
    def scores(self) -> Scores:
        """The scores of the split."""
        predictions = self.probabilities.argmax(axis=1)
        return Scores.from_confusion(confusion_matrix(self.targets, predictions, len(self.labels)), self.labels)

    @cached_property
    def reliabilities(self) -> dict[str, Reliability]:
        """How far the scores can be trusted, before and after the temperature; `after` alone if it is 1."""
        probabilities = {"after": self.probabilities}
        if self.temperature != 1.0:
            probabilities = {"before": scale(self.probabilities, 1.0 / self.temperature)} | probabilities
        return {name: reliability(each, self.targets) for name, each in probabilities.items()}


def write_report(directory: Path, evaluation: Evaluation) -> Path:
    """Write `report.html`, which needs no other file, and its plots as PNG files under `plots/`.

    Each file is whole or not there, whenever it ends; the page comes last.

    Args:
        directory: Folder for the report; it is made if it is missing, and an older report is replaced.
        evaluation: What to report.

    Returns:
        The path of `report.html`.
    """
    curves = precision_recall_curves(evaluation.targets, evaluation.probabilities, evaluation.labels)
    plots = write_plots(
        directory / "plots", evaluation.scores, curves, evaluation.reliabilities, evaluation.history or ()
    )
    page = directory / "report.html"
    html = _template().render(_context(evaluation, curves, plots))
    with replacing(page) as unfinished:
        # Half a surrogate pair becomes "?".
        unfinished.write_text(html, encoding="utf-8", errors="replace", newline="\n")
    return page


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("textclf.evaluation", "."),
        autoescape=True,  # texts and labels come from anywhere
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cut=_cut, decimals=_decimals, sha256=_sha256, shorten=shorten)
    return environment.get_template("report.html.j2")


def _context(evaluation: Evaluation, curves: Sequence[PrecisionRecallCurve], plots: Sequence[Path]) -> dict[str, Any]:
    """Return everything that the template names."""
    scores = evaluation.scores
    history = evaluation.history or ()
    mistakes = confident_mistakes(
        evaluation.texts,
        evaluation.targets,
        evaluation.probabilities,
        evaluation.labels,
        places=evaluation.places,
        pairs=evaluation.pairs,
    )
    return {
        "evaluation": evaluation,
        "scores": scores,
        "splits": {evaluation.split: scores, **evaluation.other_scores},
        "classes": _class_rows(scores, curves),
        "matrix": _matrix_rows(scores) if len(scores.labels) <= MOST_CLASSES_IN_MATRIX else None,
        "pairs": confused_pairs(scores),
        "mistakes": mistakes,
        "mistakes_count": scores.support - int(scores.counts.true_positives.sum()),
        "history": history[-MOST_HISTORY_ROWS:],
        "history_scores": shown_scores(history),
        "images": {plot.stem: _data_address(plot) for plot in plots},
        "longest_text": LONGEST_TEXT,
    }


def _class_rows(scores: Scores, curves: Sequence[PrecisionRecallCurve]) -> list[dict[str, Any]]:
    """Return a row of the per-class table for each label; the average precision is None for one without rows."""
    average_precision = {curve.label: curve.average_precision for curve in curves}
    columns = zip(scores.labels, scores.precision, scores.recall, scores.f1, scores.counts.support, strict=True)
    return [
        {
            "number": number,
            "label": label,
            "scores": [precision, recall, f1, average_precision.get(label)],
            "support": int(support),
        }
        for number, (label, precision, recall, f1, support) in enumerate(columns, start=1)
    ]


def _matrix_rows(scores: Scores) -> list[dict[str, Any]]:
    """Return a row of the confusion matrix for each label, each cell with its share of the row."""
    return [
        {
            "label": label,
            "support": sum(counts),
            "cells": [
                {"predicted": predicted, "count": count, "share": count / max(sum(counts), 1)}
                for predicted, count in zip(scores.labels, counts, strict=True)
            ],
        }
        for label, counts in zip(scores.labels, scores.confusion.tolist(), strict=True)
    ]


def _data_address(image: Path) -> str:
    """Return a PNG file as a `data:` address, so that the page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode("ascii")


def _cut(text: str, most: int) -> str:
    """Cut a text to at most `most` characters, with "…" where something is left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _decimals(number: float | None, digits: int = 4) -> str:
    return "—" if number is None else f"{number:,.{digits}f}"


def _sha256(script: str) -> str:
    """Return the hash by which the page's content security policy lets its own script run, and no other."""
    return base64.b64encode(hashlib.sha256(str(script).encode("utf-8")).digest()).decode("ascii")
