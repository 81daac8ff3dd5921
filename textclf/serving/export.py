"""Runs into SavedModels: tokenizer, model and labels in one graph, published at once."""

import itertools
import json
import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from textclf.config import dump_config
from textclf.config.run import check_name
from textclf.errors import ExportError, refusal
from textclf.models.tasks import TASKS
from textclf.runs.directory import CONFIG_FILE, LABELS_FILE, SCORES_FILE, Run
from textclf.serving.signatures import INPUT, SERVING_DEFAULT, ServedClassifier
from textclf.writing import UNFINISHED, missing_folders, remove_empty

EXTRA = "assets.extra"


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
            _write(run, unfinished)
            # Only its owner may enter what mkdtemp makes; a server runs as somebody else.
            unfinished.chmod(0o755)
            return _publish(unfinished, model_path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except BaseException as error:
        remove_empty(made)
        if isinstance(error, OSError | tf.errors.OpError):
            raise ExportError(f"'{model_path}' cannot be written: {refusal(error)}. Nothing was published.") from None
        raise


def versions(model_path: str | Path) -> list[int]:
    """Return the versions of a served model in ascending order; empty if there is none.

    A version's folder is called as Python writes its number. TensorFlow Serving takes `0007` for 7 as well; textclf
    never writes such a name and does not load it, but `export` counts on from it, so that a server goes on to what
    is exported next.
    """
    path = Path(model_path)
    if not path.is_dir():
        return []
    numbers = (version_number(entry.name) for entry in path.iterdir() if entry.is_dir())
    return sorted(number for number in numbers if number is not None)


def version_number(name: str) -> int | None:
    """Return the version that a folder of this name holds; None if it is no version's name.

    Example:
        >>> version_number("7"), version_number("0007"), version_number("٧"), version_number("best")
        (7, None, None, None)
    """
    return int(name) if name.isdecimal() and name == str(int(name)) else None


def _write(run: Run, directory: Path) -> None:
    """Write the SavedModel and what stands beside its graph."""
    served = ServedClassifier(run.tokenizer, run.model, TASKS[run.config.task], run.labels)
    archive = keras.export.ExportArchive()
    # Of the model, the archive finds the variables by itself; one that is told to track it writes them twice.
    archive.track(run.tokenizer)
    archive.add_endpoint(SERVING_DEFAULT, served.serving_default, input_signature=INPUT)
    archive.write_out(str(directory), options=tf.saved_model.SaveOptions(), verbose=False)
    extra = directory / EXTRA
    extra.mkdir()
    texts = {
        LABELS_FILE: json.dumps(run.labels, ensure_ascii=False, indent=1),
        CONFIG_FILE: dump_config(run.config),
        SCORES_FILE: json.dumps(run.results, ensure_ascii=False, indent=1),
    }
    for file_name, text in texts.items():
        (extra / file_name).write_text(text, encoding="utf-8", newline="\n")


def _publish(unfinished: Path, model_path: Path) -> Path:
    """Rename to the next free version; if another export takes it first, to the one after."""
    taken = (int(entry.name) for entry in model_path.iterdir() if entry.name.isdecimal())
    for number in itertools.count(max(taken, default=0) + 1):
        target = model_path / str(number)
        try:
            unfinished.rename(target)  # fails if the target holds files, or is one
        except OSError:
            if not target.exists():
                raise
        else:
            break
    return target
