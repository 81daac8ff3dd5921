"""The plots of a report, as PNG files.

Figures are made without pyplot, so that nothing of a notebook or another program changes. The colours
are Okabe & Ito's, which people with colour-blindness can tell apart. Labels are never read as TeX.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from textclf.evaluation.calibration import Reliability
from textclf.evaluation.curves import PrecisionRecallCurve
from textclf.evaluation.fonts import axis_names
from textclf.evaluation.scores import Scores
from textclf.writing import replacing

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6000", "#000000")
INK, MUTED, FAINT = "#1f2937", "#6b7280", "#e5e7eb"
DOTS_PER_INCH = 150
MOST_CLASSES_WITH_COUNTS = 20
MOST_CLASSES_WITH_NAMES = 40
MOST_CURVES_WITH_NAMES = 12
LOWEST_CURVES = 6
MOST_BARS = 30

History = Sequence[Mapping[str, Any]]


def write_plots(
    directory: Path,
    scores: Scores,
    curves: Sequence[PrecisionRecallCurve],
    reliabilities: Mapping[str, Reliability],
    history: History = (),
) -> list[Path]:
    """Write every plot that there is something to show for; each file is whole or not there.

    Args:
        directory: Folder for the files; it is made if it is missing.
        scores: The scores of the split.
        curves: The precision-recall curves of the split.
        reliabilities: How far the scores can be trusted, `before` and `after` a temperature, or one of them.
        history: A record an evaluation, as in `Evaluation.history`; empty for models without epochs.

    Returns:
        The files: `confusion_matrix.png`, `per_class_f1.png`, `reliability.png` and, with curves and history,
        `precision_recall.png` and `training_curves.png`.
    """
    figures = {"confusion_matrix": confusion_matrix_figure(scores), "per_class_f1": per_class_f1_figure(scores)}
    figures["reliability"] = reliability_figure(reliabilities)
    if curves:
        figures["precision_recall"] = precision_recall_figure(curves, scores.labels)
    if history:
        figures["training_curves"] = training_curves_figure(history)
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        with replacing(path) as unfinished:
            figure.savefig(unfinished, dpi=DOTS_PER_INCH)
    return paths


def confusion_matrix_figure(scores: Scores) -> Figure:
    """Draw how often each label was taken for each other; the colour is the share of the target's rows."""
    classes = len(scores.labels)
    side = min(3.6 + 0.45 * classes, 10.0)
    figure, (axes,) = _figure(side + 0.6, side)
    shares = scores.confusion / np.maximum(scores.counts.support, 1)[:, np.newaxis]
    gamma = 1.0 if classes <= MOST_CLASSES_WITH_COUNTS else 0.5  # among many cells, faint ones must still be seen
    around = (0.5, classes + 0.5, classes + 0.5, 0.5)  # classes are counted from 1 on both axes
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(gamma, vmin=0.0, vmax=1.0), extent=around)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
    bar.set_label("share of the label's rows", color=MUTED, fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, labelcolor=MUTED)
    _decorate(axes, "Confusion matrix", "predicted", "label", grid=False)
    axes.spines[:].set_visible(False)
    if classes <= MOST_CLASSES_WITH_NAMES:
        _name_both_axes(axes, scores.labels)
    if classes <= MOST_CLASSES_WITH_COUNTS:
        _write_counts(axes, scores, shares)
    return figure


def _name_both_axes(axes: Axes, labels: Sequence[str]) -> None:
    names, font = axis_names(labels)
    size = 9 if len(labels) <= MOST_CLASSES_WITH_COUNTS else 7
    places = range(1, len(labels) + 1)
    upright = 0 if max(map(len, names)) <= 3 else 90
    axes.set_xticks(places, names, fontproperties=font, size=size, rotation=upright, parse_math=False)
    axes.set_yticks(places, names, fontproperties=font, size=size, parse_math=False)


def _write_counts(axes: Axes, scores: Scores, shares: np.ndarray[Any, Any]) -> None:
    size = 9 if len(scores.labels) <= 10 else 7
    for (row, column), count in np.ndenumerate(scores.confusion):
        if count:
            color = "white" if shares[row, column] > 0.55 else INK
            text = f"{count:,}" if count < 10_000 else f"{count / 1000:,.0f}k"
            cell = axes.text(column + 1, row + 1, text, ha="center", va="center", color=color, fontsize=size)
            cell.set_in_layout(False)  # it is inside its cell: measuring hundreds takes a second


def precision_recall_figure(curves: Sequence[PrecisionRecallCurve], labels: Sequence[str]) -> Figure:
    """Draw the curve of every class; of many classes only the lowest stand out.

    Args:
        curves: At least one curve.
        labels: Name of every class of the model, for the numbers where names cannot be written.
    """
    few = len(curves) <= MOST_CURVES_WITH_NAMES
    figure, (axes,) = _figure(8.0, 4.8)
    named = list(curves) if few else sorted(curves, key=lambda curve: curve.average_precision)[:LOWEST_CURVES]
    if not few:
        for curve in curves:
            axes.step(curve.recall, curve.precision, where="pre", color="#c4c9d1", linewidth=0.7, alpha=0.7)
    lines = [
        axes.step(curve.recall, curve.precision, where="pre", color=color, linestyle=style, linewidth=1.6, zorder=3)[0]
        for curve, (style, color) in zip(named, product(("-", "--"), COLORS), strict=False)
    ]
    names, font = axis_names(labels)
    name_of = dict(zip(labels, names, strict=True))
    legend = axes.legend(lines, [str(number) for number in range(len(lines))], **_legend_style())
    legend.set_title("average precision" if few else f"lowest of {len(curves)} classes")
    for text, curve in zip(legend.get_texts(), named, strict=True):
        text.set(text=f"{curve.average_precision:.3f}  {name_of[curve.label]}", parse_math=False, fontproperties=font)
        text.set_fontsize(9)
    axes.set(xlim=(0.0, 1.01), ylim=(0.0, 1.02))
    _decorate(axes, "Precision and recall, each class against the rest", "recall", "precision")
    return figure


def reliability_figure(reliabilities: Mapping[str, Reliability]) -> Figure:
    """Draw how often labels are right against the scores that they are given with, and how many have each score.

    Args:
        reliabilities: By name, at most two, with equal bins.
    """
    figure, all_axes = _figure(4.8 * len(reliabilities), 4.4, columns=len(reliabilities))
    for axes, (name, found) in zip(all_axes, reliabilities.items(), strict=True):
        bins = len(found.counts)
        middles, filled = (np.arange(bins) + 0.5) / bins, found.counts > 0
        shares = found.counts / found.counts.sum()
        axes.bar(middles, shares, width=0.9 / bins, color=FAINT, label="share of the texts")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle="--", label="as sure as right")
        axes.plot(
            found.confidence[filled], found.accuracy[filled], color=COLORS[0], marker="o", markersize=4, label="right"
        )
        axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.02))
        title = {"before": "Before", "after": "As given"}.get(name, name)
        _decorate(axes, f"{title}: calibration error {found.error:.3f}", "highest score", "share that is right")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")
    return figure


def training_curves_figure(history: History) -> Figure:
    """Draw loss and scores over the training.

    Args:
        history: At least one record, as in `Evaluation.history`.
    """
    epochs = [record["epoch"] for record in history]
    along = "epoch" if len(set(epochs)) == len(epochs) else "step"
    places = [record[along] for record in history]
    figure, (loss_axes, score_axes) = _figure(9.0, 3.6, columns=2)
    losses = {"train": [record.get("train_loss") for record in history]}
    losses["dev"] = [record.get("dev_loss") for record in history]
    _draw_lines(loss_axes, places, losses)
    _decorate(loss_axes, "Loss", along, "")
    scores = {name: [record["dev"].get(name) for record in history] for name in shown_scores(history)}
    _draw_lines(score_axes, places, {name.replace("_", " "): values for name, values in scores.items()})
    _decorate(score_axes, "Scores on dev", along, "")
    for axes in (loss_axes, score_axes):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    return figure


def shown_scores(history: History) -> list[str]:
    """Return the three scores that say most, or those there are."""
    names = list(dict.fromkeys(name for record in history for name in record["dev"]))
    usual = [name for name in ("macro_f1", "accuracy", "weighted_f1") if name in names]
    return usual or names[: len(COLORS)]


def _draw_lines(axes: Axes, places: Sequence[float], lines: Mapping[str, Sequence[float | None]]) -> None:
    marker = "o" if len(places) <= 30 else ""
    for (name, values), color in zip(lines.items(), COLORS, strict=False):
        numbers = np.array(values, dtype=np.float64)  # None, where nothing was measured, becomes nan: a gap
        if np.isfinite(numbers).any():
            axes.plot(places, numbers, color=color, marker=marker, markersize=3.5, linewidth=1.7, label=name)
    if axes.lines:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)


def per_class_f1_figure(scores: Scores) -> Figure:
    """Draw the F1 of each class, best first; of many classes only the lowest of those with rows."""
    few = len(scores.labels) <= MOST_BARS
    class_ids = np.arange(len(scores.labels)) if few else np.flatnonzero(scores.counts.support)
    shown = class_ids[np.argsort(-scores.f1[class_ids], kind="stable")][-MOST_BARS:]
    names, font = axis_names(scores.labels)
    figure, (axes,) = _figure(8.0, 1.3 + 0.27 * len(shown))
    places = np.arange(len(shown))
    axes.barh(places, scores.f1[shown], color=COLORS[0], height=0.66)
    for place, class_id in zip(places, shown, strict=True):
        words = f"{scores.f1[class_id]:.3f}   {scores.counts.support[class_id]:,} rows"
        axes.text(scores.f1[class_id] + 0.01, float(place), words, va="center", fontsize=8, color=MUTED)
    title = "F1 of each class" if few else f"F1 of the lowest {len(shown)} of {len(class_ids):,} classes with rows"
    _decorate(axes, title, "F1", "", grid=False)
    axes.set_yticks(places, [names[i] for i in shown], fontproperties=font, size=9, parse_math=False)
    axes.set(xlim=(0.0, 1.28), ylim=(len(shown) - 0.4, -0.6))
    axes.set_xticks(np.linspace(0.0, 1.0, 6))
    return figure


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure, its size in inches, and its axes from left to right."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    return figure, [figure.add_subplot(1, columns, column + 1) for column in range(columns)]


def _decorate(axes: Axes, title: str, xlabel: str, ylabel: str, grid: bool = True) -> None:
    """Give axes the look that all plots share."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(xlabel, color=MUTED, fontsize=9)
    axes.set_ylabel(ylabel, color=MUTED, fontsize=9)
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.spines[["top", "right", "left", "bottom"]].set_color("#c4c9d1")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(color=FAINT, linewidth=0.8)


def _legend_style() -> dict[str, Any]:
    heading = FontProperties(size=9, weight="bold")
    return {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "frameon": False, "title_fontproperties": heading}
