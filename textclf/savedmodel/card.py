"""The model card of a version: what it is for, what it was made of, and how far it can be trusted.

Mitchell et al. (2019), "Model Cards for Model Reporting", https://arxiv.org/abs/1810.03993.
"""

import datetime
import json
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2

from textclf.evaluation.calibration import Reliability
from textclf.evaluation.scores import Scores
from textclf.runs.directory import Run
from textclf.savedmodel.files import RELIABILITY_FILE
from textclf.training.summary import versions

FEW_ROWS, LOW_F1 = 10, 0.5
"""A label with fewer rows in what was scored, or a lower F1, is named among the limits."""

RELIABILITY = PurePosixPath(RELIABILITY_FILE).name
_DOTS_PER_INCH = 80
"""So that the plot takes some 30 kB of each version."""


def model_card(run: Run, name: str) -> dict[str, Any]:
    """Return what a version's card says, as JSON has it.

    Args:
        run: What is exported. Of one that was killed, with weights but without scores, the card says so.
        name: The served model's.
    """
    config, results = run.config, run.results
    scores = {split: Scores.from_json(each) for split, each in results.get("scores", {}).items()}
    return {
        "name": name,
        "task": config.task,
        "labels": run.labels,
        "exported": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": {
            "name": config.model.name,
            "parameters": run.model.count_params(),
            "weights": config.model.weights,
            "longest_text_in_tokens": run.tokenizer.max_tokens,
        },
        "data": {
            "sources": _sources(run),
            "rows": results.get("rows", {}),
            "bad_rows_dropped": results.get("bad_rows"),
            "fingerprint": results.get("data_fingerprint"),
        },
        "scores": {split: _summed_up(each) for split, each in scores.items()},
        "calibration": results.get("calibration"),
        "limits": _limits(run, scores),
        "versions": results.get("versions", {}),
        "exported_with": versions(),
    }


def write_card(directory: Path, card: dict[str, Any]) -> None:
    """Write `model_card.json` and `model_card.md` into a folder, and `reliability.png` if it was measured."""
    plotted = _write_plot(directory / RELIABILITY, card["calibration"] or {})
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("textclf.savedmodel", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown; what stands in cells is escaped by the filter
    )
    environment.filters["cell"] = _cell
    page = environment.get_template("model_card.md.j2").render(card=card, plotted=plotted, plot=RELIABILITY)
    texts = {"model_card.json": json.dumps(card, ensure_ascii=False, indent=1) + "\n", "model_card.md": page}
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8", errors="replace", newline="\n")


def _write_plot(path: Path, calibration: dict[str, Any]) -> str | None:
    """Draw how far the scores can be trusted, and return of which split; None if that was not measured."""
    from textclf.evaluation.plots import reliability_figure  # matplotlib takes a second

    split = next((name for name in ("test", "dev") if name in calibration), None)
    if split is None or any("bins" not in each for each in calibration[split].values()):  # of a run of before
        return None
    shown = ("before", "after") if calibration["temperature"] != 1 else ("after",)
    figure = reliability_figure({when: Reliability.from_json(calibration[split][when]) for when in shown})
    figure.savefig(path, dpi=_DOTS_PER_INCH)
    return split


def _sources(run: Run) -> dict[str, str]:
    """Return the names of the files that were read, without the folders of somebody's machine, by split."""
    data = run.config.data
    given = {split: getattr(data, split) for split in ("train", "dev", "test")}
    return {split: Path(source).name or source for split, source in given.items() if isinstance(source, str)}


def _summed_up(scores: Scores) -> dict[str, Any]:
    columns = zip(scores.labels, scores.precision, scores.recall, scores.f1, scores.counts.support, strict=True)
    return {
        "rows": scores.support,
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro.f1,
        "labels": {
            label: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "rows": int(rows)}
            for label, precision, recall, f1, rows in columns
        },
    }


def _limits(run: Run, scores: dict[str, Scores]) -> list[str]:
    limits = [
        f"It gives every text one of its {len(run.labels)} labels, texts that are about none of them too. A low score "
        "is the only sign of it.",
        f"It reads the first {run.tokenizer.max_tokens:,} tokens of a text; what follows is not seen.",
        "Its scores were measured on rows like those that it was trained on. On other texts, or later ones, they can "
        "be lower.",
    ]
    if not scores:
        limits.append("Its training was not finished: nothing was measured.")
        return limits
    split = "test" if "test" in scores else "dev"
    if split == "dev":
        limits.append("It has no test split. Its weights were picked by their score on dev, which flatters them.")
    rows = scores[split].counts.support
    if rare := [label for label, count in zip(run.labels, rows, strict=True) if count < FEW_ROWS]:
        limits.append(
            f"Of these labels {split} has fewer than {FEW_ROWS} rows, too few to judge them: {_listed(rare)}."
        )
    low = [label for label, f1, count in zip(run.labels, scores[split].f1, rows, strict=True) if count and f1 < LOW_F1]
    if low:
        limits.append(f"These labels have an F1 below {LOW_F1} on {split}: {_listed(low)}.")
    return limits


def _listed(labels: list[str]) -> str:
    return ", ".join(f"'{label}'" for label in labels)


def _cell(value: Any, digits: int = 4) -> str:
    """Return a value as a cell of a Markdown table shows it, with the marks of Markdown and HTML taken from it."""
    if value is None:
        return "not known"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = " ".join(str(value).split())
    marked = "".join(f"\\{mark}" if mark in "\\|`*_[]" else mark for mark in text)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
