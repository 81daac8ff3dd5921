"""A whole search: from a config to the config that does best on dev."""

import dataclasses
import logging
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from textclf.config import Config
from textclf.config.domains import SearchSpace
from textclf.config.scores import SCORES, unknown_score
from textclf.config.search import search_space, value_at, with_values
from textclf.data import Corpus, load_corpus, problems
from textclf.errors import ConfigError, refusal
from textclf.optional import import_optional
from textclf.runs.lock import DirectoryLock
from textclf.training.interruption import TerminatedError
from textclf.tuning.hparams import log_folder, write_trial
from textclf.tuning.results import LOGS_FOLDER, Trial, Tuning, counted, short
from textclf.tuning.trial import Ending, run_trial

if TYPE_CHECKING:
    from textclf.tuning.study import RunningTrial, Study

logger = logging.getLogger(__name__)

_TRIAL_FOLDER = ".trial"


def tune(
    config: Config,
    run_dir: str | Path | None = None,
    *,
    metric: str = "macro_f1",
    trials: int = 50,
    minutes: float = 30.0,
    search: Iterable[str] = (),
    progress: bool = False,
) -> Tuning:
    """Search the fields of a config for the values that score best on dev. Test data has no part in it.

    The first trial has the config's own values, as far as they are in the space; each other one has those that a
    tree-structured Parzen estimator (Bergstra et al. 2011) expects most of after the trials before. One that is behind
    the median of the others at an evaluation is pruned. The directory gets `best.yaml`, which `textclf train` takes,
    `trials.tsv`, TensorBoard's `logs/` with the HParams tab, and `study.journal`, from which the same call goes on.

    Args:
        config: Where to search from. A test source is not opened; where test is a share or a fold, its rows are cut
            off as in a training, and left alone.
        run_dir: Where to write; `runs/<config.name>-tune` if None.
        metric: The score on dev that counts, and that picks the best weights of a trial.
        trials: When to end: trials in all, those of earlier calls among them.
        minutes: When to end: minutes in all. The trial that is running then is stopped.
        search: Strings `FIELD=DOMAIN` on top of the model's own space; see `search_space`.
        progress: Whether a line a trial goes to standard error.

    Returns:
        What was found. Ctrl-C ends the search and keeps it.

    Raises:
        ConfigError: The metric, the space or a limit cannot be.
        DataError: The data cannot be learnt from, or Optuna is not installed.
        RunError: Something else stands in the directory, a search of something else, or another process writes there.
        TerminatedError: SIGTERM came; everything but the trial that was running is kept.

    Example:
        >>> config = Config.make({"data": {"train": "sample:train", "dev": "sample:dev"}, "model": "linear"})
        >>> found = tune(config, "runs/demo-tune", trials=2, search=["model.max_ngram=1"])
        >>> found.best_config.model.max_ngram
        1
    """
    deadline = time.monotonic() + 60.0 * minutes
    _check(config, metric, trials, minutes)
    space = search_space(config, search)
    if config.model.learns_in_steps:
        config = with_values(config, {"training.monitor": metric})
    import_optional("optuna", "tune", "A search")
    from textclf.tuning.directory import open_study  # imports Optuna

    path = Path(run_dir) if run_dir is not None else Path("runs") / f"{config.name}-tune"
    lock = DirectoryLock(path.resolve())
    try:
        study = open_study(path, config, space, metric)
        tuning = Tuning(path, config, metric, study.trials)
        for trial in tuning.trials:  # a kill or a full disk may have cost one its row
            _try_tensorboard(tuning, trial)
        deadline -= sum(trial.seconds for trial in tuning.trials)
        if study.num_finished >= trials or time.monotonic() >= deadline:
            logger.warning("The search '%s' is over. To go on, give it more with --trials or --minutes.", path)
        else:
            if tuning.trials:
                logger.warning("The search '%s' goes on after %s.", path, counted(tuning.trials))
            tuning = _search(tuning, study, space, trials, deadline, progress)
        tuning.write()
        return tuning
    finally:
        lock.release()


def _check(config: Config, metric: str, trials: int, minutes: float) -> None:
    if metric not in SCORES:
        raise ConfigError(f"--metric: {unknown_score(metric)}")
    if trials < 1:
        raise ConfigError(f"--trials: expected a number from 1, got {trials}.")
    if not minutes > 0:
        raise ConfigError(f"--minutes: expected a number above 0, got {minutes:g}.")
    if config.compute.strategy == "multi_worker":
        raise ConfigError(
            "compute.strategy: a search runs on one machine, and this config is for several (multi_worker). Search "
            "with --set compute.strategy=auto, and train the best config on all of them."
        )


def _load_corpus(config: Config) -> Corpus:
    """Return train and dev as a training has them, and no test: a source is not opened, a cut is left alone."""
    data = config.data
    if isinstance(data.test, str):
        data = data.model_copy(update={"test": None})
    corpus = load_corpus(data, config.seed)
    if corpus.bad_rows:
        logger.warning("Dropped: %s", problems.report(corpus.bad_rows, corpus.labels))
    return dataclasses.replace(corpus, test=None)


def _search(tuning: Tuning, study: "Study", space: SearchSpace, trials: int, deadline: float, progress: bool) -> Tuning:
    """Run trials up to a limit or Ctrl-C."""
    from textclf.tuning.directory import check_data

    config, path = tuning.config, tuning.path
    corpus = _load_corpus(config)
    check_data(path, study, corpus.fingerprint)
    first = {name: value_at(config, name) for name in space}
    if progress:
        _announce(tuning, corpus, trials - study.num_finished, deadline)
    try:
        while study.num_finished < trials and time.monotonic() < deadline and not tuning.interrupted:
            tuning = _next_trial(tuning, study, study.ask(first), corpus, deadline)
            if progress:
                tqdm.write(f"{study.num_finished:>3} of {trials}  {_line(tuning)}", file=sys.stderr)
    except KeyboardInterrupt:  # between two trials
        tuning = dataclasses.replace(tuning, trials=study.trials, interrupted=True)
    return tuning


def _next_trial(tuning: Tuning, study: "Study", running: "RunningTrial", corpus: Corpus, deadline: float) -> Tuning:
    """Run a trial, and return the search with what came of it, which is on disk then."""
    ending = Ending("stopped")
    try:
        ending = _try(tuning, running, corpus, deadline)
    except TerminatedError as error:
        again = f"Stopped by SIGTERM; the same command goes on with the search '{tuning.path}'."
        raise TerminatedError(again) from error
    finally:  # whatever ends the trial
        trial = running.tell(ending.state, ending.score, ending.note)
        tuning = dataclasses.replace(tuning, trials=study.trials, interrupted=ending.interrupted)
        tuning.write()
    _try_tensorboard(tuning, trial)
    return tuning


def _try_tensorboard(tuning: Tuning, trial: Trial) -> None:
    """Write a trial's row of the HParams tab, or say why not: no search ends for that."""
    try:
        write_trial(tuning.path / LOGS_FOLDER, trial, tuning.metric)
    except Exception as error:
        logger.warning("TensorBoard lacks trial %d of '%s': %s", trial.number, tuning.path, refusal(error))


def _try(tuning: Tuning, running: "RunningTrial", corpus: Corpus, deadline: float) -> Ending:
    try:
        config = with_values(tuning.config, running.values)
    except ConfigError as error:  # each value fits on its own, but not beside the others
        return Ending("failed", note=" ".join(str(error).split()))
    logs = log_folder(tuning.path / LOGS_FOLDER, running.number)
    return run_trial(config, corpus, tuning.metric, tuning.path / _TRIAL_FOLDER, logs, running.report, deadline)


def _announce(tuning: Tuning, corpus: Corpus, trials: int, deadline: float) -> None:
    """Say on standard error what is about to happen: the first trial's line may be minutes away."""
    line = (
        f"{tuning.config.model.name}: train has {len(corpus.train.texts):,} texts, dev {len(corpus.dev.texts):,}; "
        f"{trials} trial{'' if trials == 1 else 's'}, or as many as {(deadline - time.monotonic()) / 60:.0f} minutes "
        "take. A line comes after each; Ctrl-C keeps the best so far."
    )
    tqdm.write(line, file=sys.stderr)


def _line(tuning: Tuning) -> str:
    """Return what the terminal shows of the trial that is just over."""
    trial = tuning.trials[-1]
    score = "     –" if trial.score is None else f"{trial.score:.4f}"
    best = f"best {tuning.best.score:.4f} (trial {tuning.best.number})" if tuning.ranking else "no best yet"
    values = " ".join(f"{name.rpartition('.')[2]}={short(value)}" for name, value in trial.values.items())
    line = f"trial {trial.number:>3}  {trial.state:<7}  {tuning.metric} {score}  {trial.seconds:>5.0f} s  {best}"
    return f"{line}  {trial.note or values}"
