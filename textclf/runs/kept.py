"""What a run that ended early leaves, and what can be done with it, said in the log."""

import logging
import shlex

from textclf.config import Config
from textclf.runs.files import CHECKPOINTS_FOLDER, MODEL_FILE, REPORT_FILE, SCORES_FILE
from textclf.runs.writer import RunWriter
from textclf.training.checkpoints import checkpoint_files, checkpoint_step

logger = logging.getLogger(__name__)

_CHECKPOINT = "a checkpoint of step %d: the same command, without --force, goes on from there."


def say_what_is_kept(writer: RunWriter, config: Config, *, goes_on: bool, stopped: bool) -> None:
    """Say what a training that ends early leaves, and what can be done with it.

    Args:
        writer: What writes the run.
        config: The run.
        goes_on: Whether it can go on from its checkpoint; one that broke down would do so again.
        stopped: Whether somebody stopped it, who is told too that nothing is left; an error says enough.
    """
    directory = writer.directory
    steps = [checkpoint_step(path) for path in checkpoint_files(directory / CHECKPOINTS_FOLDER)] if goes_on else []
    if (directory / REPORT_FILE).is_file():
        logger.warning("The run '%s' is finished, with its scores and its report.", writer.path)
    elif (directory / SCORES_FILE).is_file():
        say_no_report(writer, config, "training ended before it")
    elif (directory / MODEL_FILE).is_file():
        logger.warning(
            "The best weights so far%s are kept in '%s'. It has no scores.json; `%s` and `textclf export %s` take it."
            "%s",
            f" (step {writer.saved_step})" if writer.saved_step is not None else "",
            writer.path,
            _evaluate_command(writer, config),
            shlex.quote(str(writer.path)),
            f" It has {_CHECKPOINT % steps[0]}" if steps else "",
        )
    elif steps:
        logger.warning("The run '%s' has %s", writer.path, _CHECKPOINT % steps[0])
    elif stopped:
        logger.warning("Nothing of the run '%s' is left: there were no weights to keep yet.", writer.path)


def say_no_report(writer: RunWriter, config: Config, reason: str) -> None:
    """Say that a run is finished without its report, and with which command it gets one.

    Args:
        writer: What writes the run.
        config: The run.
        reason: Why there is no report.
    """
    writer.remove_plots()
    logger.warning(
        "The run '%s' is finished, but its report was not written (%s). Write it with: %s",
        writer.path,
        reason,
        _evaluate_command(writer, config, "--report", str(writer.path)),
    )


def _evaluate_command(writer: RunWriter, config: Config, *options: str) -> str:
    """Return the command that scores the run, on data to be named if it has no test split of its own."""
    has_test = config.data.test is not None or config.data.folds is not None
    data = [] if has_test else ["--data", "FILE"]
    return shlex.join(["textclf", "evaluate", str(writer.path), *data, *options])
