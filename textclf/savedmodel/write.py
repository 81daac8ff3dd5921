"""A version on disk: the SavedModel and what stands beside its graph."""

import json
from pathlib import Path

import keras
import tensorflow as tf

from textclf.config import dump_config
from textclf.models.tasks import TASKS
from textclf.runs.directory import Run
from textclf.runs.files import CONFIG_FILE, LABELS_FILE, SCORES_FILE
from textclf.savedmodel.batching import ALLOWED_BATCH_SIZES, write_batching
from textclf.savedmodel.card import model_card, write_card
from textclf.savedmodel.files import EXTRA, GOLDEN_FILE, WARMUP_FILE
from textclf.savedmodel.golden import TOLERANCE, write_golden
from textclf.savedmodel.graph import Endpoint, ServedClassifier
from textclf.savedmodel.manifest import write_manifest
from textclf.savedmodel.requests import golden_requests, warmup_lengths, write_warmup
from textclf.savedmodel.signatures import text_inputs

_TOLERANCES = {"bfloat16": 0.05, "float16": 0.01}
"""Half precision is rounded in other places by other kernels: a dozen of its smallest steps."""


def write_version(run: Run, directory: Path, name: str) -> None:
    """Write a version of a served model into a folder, the manifest last.

    Args:
        run: What is exported.
        directory: An empty folder.
        name: The served model's.
    """
    task, pairs = TASKS[run.config.task], run.config.data.pair_column is not None
    served = ServedClassifier(run.tokenizer, run.model, task, run.labels, run.temperature, pairs)
    endpoints = served.endpoints()
    _write_graph(run, endpoints, directory)
    extra = directory / EXTRA
    extra.mkdir()
    texts = {
        LABELS_FILE: json.dumps(run.labels, ensure_ascii=False, indent=1),
        CONFIG_FILE: dump_config(run.config),
        SCORES_FILE: json.dumps(run.results, ensure_ascii=False, indent=1),
    }
    for file_name, text in texts.items():
        (extra / file_name).write_text(text, encoding="utf-8", newline="\n")
    inputs = [spec.name for spec in text_inputs(pairs)]
    longest = run.tokenizer.max_tokens
    lengths = warmup_lengths(run.results.get("tokens", {}).get("99", longest), longest)
    write_warmup(directory / WARMUP_FILE, name, endpoints, inputs, lengths, ALLOWED_BATCH_SIZES)
    write_batching(directory)
    # The functions in memory answer, so that who asks the version compares it with what was trained.
    tolerance = _TOLERANCES.get(run.model.compute_dtype, TOLERANCE)
    write_golden(directory / GOLDEN_FILE, golden_requests(endpoints, inputs), tolerance)
    write_card(extra, model_card(run, name))
    write_manifest(directory)


def _write_graph(run: Run, endpoints: dict[str, Endpoint], directory: Path) -> None:
    archive = keras.export.ExportArchive()
    # Of the model, the archive finds the variables by itself; one that is told to track it writes them twice.
    archive.track(run.tokenizer)
    for name, endpoint in endpoints.items():
        archive.add_endpoint(name, endpoint.function, input_signature=endpoint.inputs)
    archive.write_out(str(directory), options=tf.saved_model.SaveOptions(), verbose=False)
