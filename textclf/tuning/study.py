"""The search's memory and its next guess: an Optuna study in a journal, which a kill leaves readable.

Akiba et al. (2019), "Optuna: A Next-generation Hyperparameter Optimization Framework",
https://arxiv.org/abs/1907.10902; the guesses are those of the tree-structured Parzen estimator (Bergstra et al. 2011).
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from textclf.config.domains import Choices, Domain, SearchSpace
from textclf.tuning.results import State, Trial

STUDY_FILE, STUDY_NAME = "study.journal", "tune"

_TOLD = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.PRUNED}
"""What Optuna hears of a trial's end; the estimator learns from pruned trials, and not from failed ones. One that was
stopped has failed for Optuna: it is tried again."""


class _NoLock(JournalFileOpenLock):
    """Nothing: the directory's own lock holds others off, and a kill leaves no lock file to wait for."""

    def acquire(self) -> bool:
        """Succeed."""
        return True

    def release(self) -> None:
        """Do nothing."""


class Study:
    """All trials of a search, on disk after each step, and the values to try next.

    The guess for the n-th trial follows from the seed, n and what came of the trials before. A trial that was stopped
    or killed counts as none, so that a search that is gone on with makes the guesses of one that never ended.

    Args:
        path: The journal; made if it is not there.
        space: The fields to search.
        seed: What the guesses follow from, beside the trials.
    """

    def __init__(self, path: Path, space: SearchSpace, seed: int) -> None:
        """Open the journal; a trial that a kill has left running has failed."""
        _cut_torn_line(path)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_NoLock(str(path))))
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
        self._study = optuna.create_study(
            storage=storage, study_name=STUDY_NAME, direction="maximize", pruner=pruner, load_if_exists=True
        )
        self._space, self._seed = space, seed
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)

    @property
    def facts(self) -> dict[str, Any]:
        """What the search was begun with, as `remember` has kept it; empty for a new one."""
        return self._study.user_attrs

    def remember(self, facts: Mapping[str, Any]) -> None:
        """Keep what the search is begun with, as JSON takes it."""
        for name, value in facts.items():
            self._study.set_user_attr(name, value)

    @property
    def trials(self) -> list[Trial]:
        """The trials that are over."""
        over = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        return [self._record(trial) for trial in self._study.get_trials(deepcopy=False, states=over)]

    @property
    def num_finished(self) -> int:
        """How many trials are over and count: all that were not stopped."""
        return sum(trial.state != "stopped" for trial in self.trials)

    def ask(self, first: Mapping[str, Any]) -> "RunningTrial":
        """Begin a trial.

        Args:
            first: Values that the very first trial has, as far as they are in the space.
        """
        finished = self.num_finished
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not finished and not waiting:
            inside = {name: value for name, value in first.items() if value in self._space[name]}
            self._study.enqueue_trial({name: _encoded(self._space[name], value) for name, value in inside.items()})
        seed = int(np.random.SeedSequence([self._seed, finished]).generate_state(1)[0])
        self._study.sampler = optuna.samplers.TPESampler(seed=seed)
        trial = self._study.ask({name: _distribution(domain) for name, domain in self._space.items()})
        return RunningTrial(self._study, trial, self._decoded(trial.params))

    def _record(self, trial: FrozenTrial) -> Trial:
        kept = trial.user_attrs
        state: State = "stopped" if trial.state is TrialState.FAIL else kept["state"]
        values = self._decoded(trial.params)
        return Trial(trial.number, state, kept.get("score"), kept.get("seconds", 0.0), values, kept.get("note", ""))

    def _decoded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        # In the space's own order: Optuna keeps none.
        return {name: _decoded(domain, params[name]) for name, domain in self._space.items() if name in params}


class RunningTrial:
    """A trial between `Study.ask` and `tell`.

    Args:
        study: The study that it is one of.
        trial: The trial.
        values: What it tries.

    Attributes:
        number: Its number.
        values: What it tries, by the dotted path of the field.
    """

    def __init__(self, study: optuna.Study, trial: optuna.Trial, values: dict[str, Any]) -> None:
        """Keep the parts."""
        self._study, self._trial = study, trial
        self.number, self.values = trial.number, values
        self._started = time.monotonic()

    def report(self, score: float, evaluation: int) -> bool:
        """Write an evaluation down; return whether the trial promises too little to go on.

        That is so if its best score so far is below the median of the earlier trials' scores at the same evaluation;
        five trials have to be done before, and the first evaluation never decides.

        Args:
            score: On dev.
            evaluation: How many there were before.
        """
        self._trial.report(score, evaluation)
        self._trial.set_user_attr("seconds", self._seconds())
        return self._trial.should_prune()

    def tell(self, state: State, score: float | None, note: str = "") -> Trial:
        """Write down how the trial ended, and return it."""
        seconds = self._seconds()
        for name, value in {"state": state, "score": score, "seconds": seconds, "note": note}.items():
            self._trial.set_user_attr(name, value)
        told = _TOLD.get(state, TrialState.FAIL)
        self._study.tell(self._trial, score if told is TrialState.COMPLETE else None, state=told)
        return Trial(self.number, state, score, seconds, self.values, note)

    def _seconds(self) -> float:
        return time.monotonic() - self._started


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.names)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _encoded(domain: Domain, value: Any) -> Any:
    """Return what stands for a value in the journal: choices go by their name, since some are lists."""
    return str(Choices((value,))) if isinstance(domain, Choices) else value


def _decoded(domain: Domain, param: Any) -> Any:
    return domain.values[domain.names.index(param)] if isinstance(domain, Choices) else param


def _cut_torn_line(path: Path) -> None:
    """Take away what a kill has left of a line half written: the next one would be written behind it."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)
