"""A version on disk: the SavedModel and what stands beside its graph."""

import json
from pathlib import Path

import keras
import tensorflow as tf

from textclf.config import dump_config
from textclf.models.tasks import TASKS
from textclf.runs.directory import CONFIG_FILE, LABELS_FILE, SCORES_FILE, Run
from textclf.savedmodel.graph import ServedClassifier

EXTRA = "assets.extra"
"""The folder for what TensorFlow Serving does not read, but for warm-up requests."""


def write_version(run: Run, directory: Path) -> None:
    """Write the SavedModel of a run into a folder, and what stands beside its graph."""
    task = TASKS[run.config.task]
    served = ServedClassifier(run.tokenizer, run.model, task, run.labels, run.temperature)
    archive = keras.export.ExportArchive()
    # Of the model, the archive finds the variables by itself; one that is told to track it writes them twice.
    archive.track(run.tokenizer)
    for name, (function, inputs) in served.endpoints().items():
        archive.add_endpoint(name, function, input_signature=inputs)
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
