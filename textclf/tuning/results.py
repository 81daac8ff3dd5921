"""What a search has found so far, as its files and the terminal show it."""

import csv
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from textclf.config import Config, dump_config, notation
from textclf.config.search import with_values
from textclf.errors import RunError
from textclf.writing import replacing

BEST_FILE, TRIALS_FILE, LOGS_FOLDER = "best.yaml", "trials.tsv", "logs"

State: TypeAlias = Literal["done", "pruned", "failed", "stopped"]


@dataclass(frozen=True)
class Trial:
    """A trial that is over.

    Attributes:
        number: Its number, from 0.
        state: How it ended: done; pruned, because it did not promise much; failed, for the reason in `note`; stopped
            by Ctrl-C, the time limit or a kill, which counts as no trial.
        score: The highest score on dev, from 0 to 1; None if there is none.
        seconds: How long it took.
        values: The values that were tried, by the dotted path of the field.
        note: Why it failed.
    """

    number: int
    state: State
    score: float | None
    seconds: float
    values: dict[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Tuning:
    """A search, as far as it has come.

    Attributes:
        path: Its directory.
        config: The config that was searched from.
        metric: The score on dev that trials are judged by.
        trials: All trials that are over.
        interrupted: Whether Ctrl-C ended it.
    """

    path: Path
    config: Config
    metric: str
    trials: list[Trial] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ranking(self) -> list[Trial]:
        """The trials that came to their end, the best first, the earlier ones on a tie."""
        return sorted((trial for trial in self.trials if trial.state == "done"), key=lambda trial: -(trial.score or 0))

    @property
    def best(self) -> Trial:
        """The best trial; `RunError` if none has come to its end."""
        if not self.ranking:
            notes = [trial.note for trial in self.trials if trial.note]
            more = "The same command goes on." if self.interrupted else "Give it more time, with --minutes."
            why = f" The last one that failed: {notes[-1]}" if notes else f" {more}"
            raise RunError(f"No trial came to its end: {counted(self.trials)}.{why}")
        return self.ranking[0]

    @property
    def best_config(self) -> Config:
        """The config with the best trial's values, under a name of its own: the config's may be a run already."""
        best = with_values(self.config, self.best.values)
        return best.model_copy(update={"name": f"{self.config.name}-best"})

    def table(self, most: int = 5) -> str:
        """Return the best trials side by side, a line a field."""
        shown = self.ranking[:most]
        columns = [["", f"dev {self.metric}", "seconds", *(self.best.values if shown else ())]]
        for trial in shown:
            numbers = [f"trial {trial.number}", f"{trial.score:.4f}", f"{trial.seconds:.0f}"]
            columns.append([*numbers, *map(short, trial.values.values())])
        widths = [max(map(len, column)) for column in columns]
        lines = []
        for cells in zip(*columns, strict=True):
            others = (f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
            lines.append("  ".join([f"{cells[0]:<{widths[0]}}", *others]).rstrip())
        return "\n".join(lines)

    def write(self) -> None:
        """Write `trials.tsv`, and `best.yaml` as soon as a trial has come to its end; each is whole or not there."""
        with replacing(self.path / TRIALS_FILE) as unfinished:
            _write_trials(unfinished, self.trials)
        if not self.ranking:
            return
        best = self.best
        command = shlex.join(["textclf", "train", str(self.path / BEST_FILE)])
        title = f"# Trial {best.number}, the best of {counted(self.trials)}: {self.metric} {best.score:.4f} on dev."
        with replacing(self.path / BEST_FILE) as unfinished:
            text = f"{title}\n# Train it with: {command}\n{dump_config(self.best_config)}"
            unfinished.write_text(text, encoding="utf-8", newline="\n")


def counted(trials: Iterable[Trial]) -> str:
    """Return how many trials there are of which state.

    Example:
        >>> counted([Trial(0, "done", 0.5, 1.0, {}), Trial(1, "pruned", 0.2, 1.0, {})])
        '2 trials (1 done, 1 pruned)'
    """
    states: list[str] = [trial.state for trial in trials]
    parts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"{len(states)} trial{'' if len(states) == 1 else 's'}{f' ({parts})' if parts else ''}"


def short(value: Any) -> str:
    """Return a value in a few characters.

    Example:
        >>> short(0.00012345), short([2, 3]), short(None)
        ('0.0001234', '[2, 3]', 'null')
    """
    return f"{value:.4g}" if isinstance(value, float) else notation.dump_line(value)


def _write_trials(path: Path, trials: Sequence[Trial]) -> None:
    fields = list(dict.fromkeys(name for trial in trials for name in trial.values))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["number", "state", "score", "seconds", *fields, "note"])
        for trial in trials:
            score = "" if trial.score is None else repr(trial.score)
            values = [notation.dump_line(trial.values[name]) if name in trial.values else "" for name in fields]
            writer.writerow([trial.number, trial.state, score, f"{trial.seconds:.1f}", *values, trial.note])
