"""The plot of a load test: each answer's latency over time, and the latency that a share of them stays below."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from textclf.evaluation.plots import COLORS, DOTS_PER_INCH, FAINT, INK, MUTED
from textclf.loadtest.result import LoadResult
from textclf.writing import replacing

_SHARES = (0.5, 0.9, 0.99, 0.999)
_MOST_POINTS = 20_000


def write_plot(path: Path, result: LoadResult, title: str) -> None:
    """Write the plot as PNG; the file is whole or not there.

    Args:
        path: The file.
        result: What was measured.
        title: What was asked.
    """
    with replacing(path) as unfinished:
        load_figure(result, title).savefig(unfinished, dpi=DOTS_PER_INCH, format="png")


def load_figure(result: LoadResult, title: str) -> Figure:
    """Draw the latencies; requests that failed are marked where they were due."""
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    over_time, shares = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    figure.suptitle(title, fontsize=11, color=INK)
    answered = [request for request in result.asked if not request.error]
    milliseconds = 1000 * result.latencies
    shown = slice(None, None, 1 + len(answered) // _MOST_POINTS)
    over_time.plot(
        [request.due for request in answered][shown], milliseconds[shown], ".", color=COLORS[0], markersize=3, alpha=0.5
    )
    failed = [request.due for request in result.asked if request.error]
    if failed:
        floor = milliseconds.min() if len(milliseconds) else 1.0
        over_time.plot(failed, np.full(len(failed), floor), "x", color=COLORS[1], label=f"{len(failed):,} failed")
        over_time.legend(frameon=False, fontsize=9)
    over_time.set(xlabel="seconds after the beginning", ylabel="latency, ms", yscale="log")
    _draw_shares(shares, milliseconds)
    for axis in (over_time.yaxis, shares.yaxis):  # plain numbers: 30, not 3 × 10¹
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())
    for axes in (over_time, shares):
        axes.grid(color=FAINT)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelcolor=MUTED, length=0, labelsize=9)
    return figure


def _draw_shares(axes: Axes, milliseconds: NDArray[np.float64]) -> None:
    """Draw the latency over the share of answers, stretched towards the slowest: 90, 99 and 99.9 % are equally far."""
    if len(milliseconds):
        ordered = np.sort(milliseconds)
        slower = 1 - np.arange(len(ordered)) / len(ordered)  # the share of answers that take at least as long
        axes.plot(-np.log10(slower), ordered, color=COLORS[0], linewidth=1.7)
    axes.set_xticks([-np.log10(1 - share) for share in _SHARES], [f"{100 * share:g} %" for share in _SHARES])
    axes.set(xlabel="share of the answers", xlim=(0, 4))
