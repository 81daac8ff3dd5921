"""A run as a row of TensorBoard's HParams tab: what was set, and what came of it."""

import hashlib
import json
import shutil
import time
from operator import attrgetter
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb

from textclf.config import Config
from textclf.config.fields import leaf_paths
from textclf.writing import UNFINISHED

Values = dict[str, bool | int | float | str]

FOLDER = "hparams"
_ALWAYS = ("model.name", "training.learning_rate", "training.batch_size", "training.epochs")
# What scores do not depend on but for rounding, or what a table of runs cannot show: the data has its fingerprint.
_LEFT_OUT = ("name", "data.", "compute.", "checkpoints.")


def write_hparams(logs: Path, name: str, values: Values, metrics: dict[str, float], seconds: float) -> None:
    """Write a finished run as a session into a folder of its own in `logs`, in place of an earlier one.

    Args:
        logs: The run's folder for TensorBoard.
        name: What the row is called, with a few characters that tell the folder.
        values: Booleans, numbers and strings by the name of their column.
        metrics: Numbers by tag.
        seconds: How long the training took until now.
    """
    shutil.rmtree(logs / FOLDER, ignore_errors=True)
    write_session(logs / FOLDER, name, values, metrics, time.time() - seconds)


def write_session(
    folder: Path, name: str, values: Values, metrics: dict[str, float], started: float, success: bool = True
) -> None:
    """Write what was set and what came of it, as of now, into a folder that is whole or not there.

    TensorBoard takes all scalars of a session's folder for its metrics, those of all sessions together, as it does the
    fields; if a run named them beforehand, it would hide what other runs have and that one has not.

    Args:
        folder: Where the session's event file is written; not there yet.
        name: What the row is called.
        values: Booleans, numbers and strings by the name of their column.
        metrics: Numbers by tag.
        started: When it began, in seconds since 1970.
        success: Whether it came to an end.
    """
    # Sessions of one name share a row: runs of one name in two folders are two.
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:6]
    status = api_pb2.STATUS_SUCCESS if success else api_pb2.STATUS_FAILURE
    unfinished = folder.with_name(f"{UNFINISHED}{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    writer = tf.summary.create_file_writer(str(unfinished))
    with writer.as_default(step=0):
        hparams_api.hparams(values, trial_id=f"{name} {place}", start_time_secs=started)
        for tag, value in metrics.items():
            tf.summary.scalar(tag, value)
        end = session_end_pb(status, time.time())
        tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=0)
    writer.close()
    unfinished.rename(folder)


def compared_fields(config: Config) -> Values:
    """Return model, learning rate, batch size and epochs, and what else a config says that is not its default.

    Lists and mappings are JSON. What does not count for the model is left out.

    Example:
        >>> config = Config.make({"data": {"train": "a.csv"}, "model": {"name": "linear", "max_ngram": 3}})
        >>> compared_fields(config)
        {'model.name': 'linear', 'model.max_ngram': 3}
    """
    chosen = {"name": config.model.name}
    usual = Config.make({"data": config.data.model_dump(), "model": chosen})
    idle = tuple(f"model.{name}" for name in config.model.idle())
    left_out = _LEFT_OUT if config.model.learns_in_steps else (*_LEFT_OUT, "training.")
    fields = {}
    for path in leaf_paths(Config, {"model": chosen}):
        value = attrgetter(path)(config)
        counts = not path.startswith(left_out) and path not in idle
        if counts and (path in _ALWAYS or value != attrgetter(path)(usual)):
            fields[path] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return fields
