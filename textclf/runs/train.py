"""A whole run: from a config to a run directory with a model, its scores and a report."""

import contextlib
import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from textclf.config import Config
from textclf.data import Corpus, load_corpus, problems
from textclf.errors import RunError
from textclf.evaluation import write_report
from textclf.evaluation.calibration import fit_temperature
from textclf.models.base import TextModel, precision
from textclf.models.builder import model_class
from textclf.models.tasks import TASKS
from textclf.runs.directory import Run
from textclf.runs.files import BAD_ROWS_FILE, CHECKPOINTS_FOLDER, REPORT_FILE
from textclf.runs.kept import say_no_report, say_what_is_kept
from textclf.runs.lock import DirectoryLock
from textclf.runs.resume import Resume, begin_together, check_data, find_beginning
from textclf.runs.writer import RunWriter
from textclf.tensorboard.log import TensorBoardLog
from textclf.tensorboard.profile import StepProfile
from textclf.tensorboard.summary import write_tensorboard
from textclf.text.tokenizer import Tokenizer
from textclf.training.breakdown import BreakdownError
from textclf.training.checkpoints import Checkpoint, Checkpoints
from textclf.training.devices import is_chief, losing_workers, make_strategy, warn_of_bfloat16
from textclf.training.loop import Trainer
from textclf.training.prediction import Encoded, Predictor
from textclf.training.progress import ProgressBar, announce
from textclf.training.state import TrainingState
from textclf.training.step import check_step
from textclf.training.summary import TrainingSummary
from textclf.training.workers import Workers

logger = logging.getLogger(__name__)


def train(
    config: Config,
    run_dir: str | Path | None = None,
    *,
    force: bool = False,
    resume: Resume = "auto",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = False,
    report: bool = True,
) -> Run:
    """Train a classifier and write its run directory.

    The directory holds `config.yaml`, `vocabulary.txt`, `labels.json`, `model.keras` (the best weights,
    renewed at every better evaluation), `scores.json`, `report.html` with `plots/`, TensorBoard's `logs/`,
    and `bad_rows.jsonl` if rows were dropped (`data.bad_rows=drop`), which is a warning in the log too.

    Args:
        config: What the run is.
        run_dir: Where to write; `runs/<config.name>` if None.
        force: Whether a run that stands there is replaced.
        resume: What becomes of a run there that was killed: `auto` goes on from its last checkpoint, or begins anew if
            it has none; `must` is an error without a checkpoint; `never` leaves it alone, unless `force` replaces it.
        callbacks: Keras callbacks beside the project's own.
        progress: Whether a bar and a line an evaluation go to standard error.
        report: Whether `report.html` and its plots are written; it takes a few seconds. If it fails, that is a
            warning in the log: the run is finished without.

    Returns:
        The finished run, with the best weights in its model; of several workers the first one writes its files.

    Raises:
        DataError: The data cannot be learnt from.
        ConfigError: The model's files cannot be read, or do not fit its options.
        RunError: The directory is taken, another process writes there, or the run there cannot be gone on with; or of
            several workers one is gone, or was given something else than the others.
        TerminatedError: SIGTERM came; a checkpoint is written.

    Example:
        >>> sources = {split: f"sample:{split}" for split in ("train", "dev", "test")}
        >>> config = Config.make({"data": sources, "model": "linear"})
        >>> train(config, "runs/demo").scores("test").accuracy > 0.7
        True
    """
    if force and resume == "must":
        raise RunError("--force, which begins anew, and --resume must, which may only go on, exclude each other.")
    started = time.perf_counter()
    path = Path(run_dir) if run_dir is not None else Path("runs") / config.name
    strategy = make_strategy(config.compute)
    check_step(config, strategy.num_replicas_in_sync)
    with contextlib.ExitStack() as stack:
        checkpoint = None
        if is_chief(strategy):
            # First of all: who has minutes of data to read hears at once that there is a run already. And what stands
            # there is looked at when nobody else can be writing it.
            lock = DirectoryLock(path.resolve())
            stack.callback(lock.release)
            beginning, checkpoint = find_beginning(path, config, resume, force)
            writer = stack.enter_context(RunWriter(path, beginning, lock))
        else:  # the other workers compute what the chief does, and what they write is of no use
            logger.warning("This is not the first worker: the first one writes the run '%s'.", path)
            writer = RunWriter(Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name)
            writer.checkpoints = path.resolve() / CHECKPOINTS_FOLDER
            progress = report = False
        try:
            with losing_workers():
                return _train(config, path, writer, strategy, checkpoint, callbacks, progress, report, started)
        except BaseException as error:  # Ctrl-C too
            stopped = isinstance(error, KeyboardInterrupt)
            if is_chief(strategy) and (writer.has_written or stopped):
                goes_on = not isinstance(error.__cause__, BreakdownError)
                say_what_is_kept(writer, config, goes_on=goes_on, stopped=stopped)
            raise


def _train(
    config: Config,
    path: Path,
    writer: RunWriter,
    strategy: tf.distribute.Strategy,
    checkpoint: Checkpoint | None,
    callbacks: Sequence[keras.callbacks.Callback],
    progress: bool,
    report: bool,
    started: float,
) -> Run:
    if checkpoint is None and is_chief(strategy):  # a run that goes on asks for no preset again
        model_class(config.model.name).check(config)
    for doubt in config.model.doubts(config):
        logger.warning(doubt)
    if config.model.learns_in_steps:
        warn_of_bfloat16(config.compute)
    corpus = load_corpus(config.data, config.seed)
    checkpoint = begin_together(Workers(strategy), config, corpus.fingerprint, checkpoint, writer.checkpoints)
    check_data(checkpoint, corpus.fingerprint)  # before anything of a run that cannot go on is written over
    if checkpoint is not None:
        logger.warning("The run '%s' goes on after step %d.", path, checkpoint.state["step"])
    keras.utils.set_random_seed(config.seed)
    tokenizer = _tokenizer(config, corpus, checkpoint, path)
    writer.write_start(config, corpus.labels, tokenizer)
    if corpus.bad_rows:
        with writer.writing(BAD_ROWS_FILE) as unfinished:
            corpus.write_bad_rows(unfinished)
        listed = path / BAD_ROWS_FILE
        logger.warning("Dropped: %s\nThey are listed in '%s'.", problems.report(corpus.bad_rows, corpus.labels), listed)
    splits = encode(corpus, tokenizer, config)
    if progress:
        announce(config, len(splits["train"]), len(splits["dev"]))
    model, state, predict = fit(config, splits, corpus, tokenizer, writer, strategy, checkpoint, callbacks, progress)
    outcomes = {name: predict(split) for name, split in splits.items() if name != "train"}
    if config.calibration == "temperature":
        predict.temperature = fit_temperature(outcomes["dev"].probabilities, splits["dev"].targets)
    seconds = time.perf_counter() - started + state.seconds
    summary = TrainingSummary(config, corpus, splits, model, state, outcomes, predict.temperature, seconds)
    results = summary.results  # before anything is drawn, which takes memory too
    if is_chief(strategy):
        _try_tensorboard(writer, summary)
    writer.write_results(results)
    if report:
        _try_report(writer, summary)
    # Under several workers each prediction waits for all of them; whoever asks the run later may be one alone.
    predictor = predict if Workers(strategy).count == 1 else None
    return Run(path, config, corpus.labels, tokenizer, model, results, predictor)


def _tokenizer(config: Config, corpus: Corpus, checkpoint: Checkpoint | None, path: Path) -> Tokenizer:
    """Return a new run's tokenizer, or that of a run that goes on, which asks for no preset again."""
    model = model_class(config.model.name)
    if checkpoint is None:
        return model.make_tokenizer(config, corpus.train.all_texts)
    return model.load_tokenizer(path, config)


def encode(corpus: Corpus, tokenizer: Tokenizer, config: Config) -> dict[str, Encoded]:
    """Return the splits as ids and targets, by name."""
    task = TASKS[config.task]
    return {
        name: Encoded(tokenizer.encode(split.texts, split.pairs), task.encode(split.labels, corpus.labels))
        for name, split in corpus.splits.items()
    }


def fit(
    config: Config,
    splits: dict[str, Encoded],
    corpus: Corpus,
    tokenizer: Tokenizer,
    writer: RunWriter,
    strategy: tf.distribute.Strategy,
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = False,
) -> tuple[TextModel, TrainingState, Predictor]:
    """Return the fitted model, how its training went, by solver or loop as the model has it, and what runs it."""
    chosen, labels, task = model_class(config.model.name), corpus.labels, TASKS[config.task]
    if not config.model.learns_in_steps:
        train_split = splits["train"]
        model = chosen.solve(config.model, tokenizer, len(labels), train_split.ids, train_split.targets)
        writer.write_model(model)
        return model, TrainingState(), Predictor(model, task, labels)
    kind = config.compute.mixed_precision
    with strategy.scope():
        with precision(f"mixed_{kind}" if kind else "float32"):
            if checkpoint is None:
                model = chosen.create(config.model, tokenizer, len(labels), config.seed)
            else:
                model = chosen.create_again(checkpoint.state["model"])
        facts = {"data": corpus.fingerprint, "model": model.structure()}
        checkpoints = Checkpoints(writer.checkpoints, config.checkpoints, facts, writes=is_chief(strategy))
        trainer = Trainer(
            model,
            task,
            labels,
            config,
            save_best=lambda best: writer.write_model(best, trainer.state.best_step),
            checkpoints=checkpoints,
            name_rows=lambda rows: corpus.train.name_rows(rows.tolist()),
        )
    with contextlib.ExitStack() as stack:
        if is_chief(strategy):
            logs = writer.make_logs()
            trainer.callbacks.append(TensorBoardLog(logs, trainer))
            if config.compute.profile_steps:
                profile = StepProfile(logs, trainer.state, config.compute.profile_steps)
                trainer.callbacks.append(stack.enter_context(contextlib.closing(profile)))
        if progress:
            trainer.callbacks.append(ProgressBar(trainer.state, config.training))
        trainer.callbacks.extend(callbacks)
        state = trainer.fit(splits["train"], splits["dev"], checkpoint)
    return model, state, trainer.predictor


def _try_tensorboard(writer: RunWriter, summary: TrainingSummary) -> None:
    """Write what TensorBoard shows of the best weights, or say why not: no run is lost for that.

    It comes before the scores: who is killed in the middle writes it again, and a run that has its scores has it.
    """
    try:
        write_tensorboard(writer.make_logs(), writer.directory.name, summary)
    except (Exception, KeyboardInterrupt) as error:
        logger.warning("TensorBoard lacks the best weights of '%s', or a part (%s).", writer.path, _reason(error))


def _try_report(writer: RunWriter, summary: TrainingSummary) -> None:
    """Write the report, or say how to get it later: the run is finished and stays so."""
    try:
        write_report(writer.directory, summary.evaluation())
    except (Exception, KeyboardInterrupt) as error:
        if (writer.directory / REPORT_FILE).is_file():  # the page comes last
            return
        say_no_report(writer, summary.config, _reason(error))


def _reason(error: BaseException) -> str:
    """Return why something was not written, for a warning."""
    return (
        "stopped by Ctrl-C" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}".rstrip(": ")
    )
