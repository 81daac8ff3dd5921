"""Runs into versions of a served model, published at once."""

import shutil
import tempfile
from pathlib import Path

import tensorflow as tf

from textclf.config.run import check_name
from textclf.errors import ExportError, refusal
from textclf.runs.directory import Run
from textclf.savedmodel.write import write_version
from textclf.store.versions import publish
from textclf.writing import UNFINISHED, missing_folders, remove_empty


def export(run: Run | str | Path, name: str | None = None, base: str | Path = "saved_models") -> Path:
    """Export a run as the next version of a served model.

    The version is written beside its place under another name and renamed, so that TensorFlow Serving,
    which loads any directory with a number for a name, never sees half of one.

    Args:
        run: The run or its directory.
        name: Name of the served model; the run's `config.name` if None.
        base: Where the served models are; TensorFlow Serving's `model_base_path` is `base/name`.

    Returns:
        `base/name/version`, with `assets.extra/` holding `labels.json`, `config.yaml` and `scores.json`.

    Raises:
        ExportError: The name cannot be a folder's and a model's, or the directory cannot be written.
        RunError: There is no run to export.

    Example:
        >>> export("runs/quickstart", name="routes").as_posix()
        'saved_models/routes/1'
    """
    run = run if isinstance(run, Run) else Run.load(run)
    name = name if name is not None else run.config.name
    try:
        check_name(name)
    except ValueError as error:
        raise ExportError(f"name: {error}.") from None
    model_path = Path(base) / name
    made = missing_folders(model_path)
    try:
        model_path.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=model_path))
        try:
            write_version(run, unfinished, name)
            # Only its owner may enter what mkdtemp makes; a server runs as somebody else.
            unfinished.chmod(0o755)
            return publish(unfinished, model_path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except BaseException as error:
        remove_empty(made)
        if isinstance(error, OSError | tf.errors.OpError):
            raise ExportError(f"'{model_path}' cannot be written: {refusal(error)}. Nothing was published.") from None
        raise
