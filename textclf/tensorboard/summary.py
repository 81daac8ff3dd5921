"""What TensorBoard shows of a finished training: its best weights, judged on every split."""

from pathlib import Path

import tensorflow as tf

from textclf.evaluation.mistakes import confident_mistakes
from textclf.tensorboard.events import (
    write_confusion_matrix,
    write_mistakes,
    write_precision_recall,
    write_scores,
)
from textclf.tensorboard.hparams import compared_fields, write_hparams
from textclf.tensorboard.projector import write_projector
from textclf.training.summary import TrainingSummary

MOST_MISTAKES = 20
_SUFFIX = ".best"


def write_tensorboard(logs: Path, name: str, summary: TrainingSummary) -> None:
    """Write scores, confusion matrices, curves, mistakes, features and the row of the HParams tab.

    All stand at the step of the best weights, 0 for a model that is not learnt in steps. Under `best_dev/` are dev's:
    `dev/` has what it was in the course of the training. What an earlier call wrote, in a process that was killed
    before the run was finished, is replaced.

    Args:
        logs: The run's folder for TensorBoard.
        name: What the run is called among others.
        summary: The training.
    """
    for earlier in logs.glob(f"events.out.tfevents.*{_SUFFIX}"):
        earlier.unlink()
    writer = tf.summary.create_file_writer(str(logs), filename_suffix=_SUFFIX)
    with writer.as_default(step=summary.state.best_step):
        for split in summary.outcomes:
            _write_split(summary, split)
    writer.close()
    _write_features(logs, summary)
    write_hparams(
        logs,
        name,
        compared_fields(summary.config) | {"data": summary.corpus.fingerprint[:12]},
        _metrics(summary),
        summary.seconds,
    )


def _write_split(summary: TrainingSummary, split: str) -> None:
    outcome, corpus, targets = summary.outcomes[split], summary.corpus, summary.splits[split].targets
    probabilities = summary.probabilities(split)
    prefix, rows = "best_dev" if split == "dev" else split, corpus.splits[split]
    write_scores(prefix, outcome.scores, outcome.loss)
    write_confusion_matrix(prefix, outcome.scores)
    write_precision_recall(prefix, targets, probabilities, outcome.scores, summary.state.best_step)
    mistakes = confident_mistakes(
        rows.texts, targets, probabilities, corpus.labels, MOST_MISTAKES, rows.places, rows.pairs
    )
    write_mistakes(prefix, mistakes)


def _write_features(logs: Path, summary: TrainingSummary) -> None:
    """Write what the model makes of dev's texts, if it makes anything before its logits."""
    if not summary.model.has_features:
        return
    dev, labels = summary.corpus.splits["dev"], summary.corpus.labels
    predicted = [labels[class_id] for class_id in summary.outcomes["dev"].probabilities.argmax(axis=1)]
    columns = {"label": dev.labels, "predicted": predicted, "text": dev.texts}
    if dev.pairs is not None:
        columns["second text"] = dev.pairs
    write_projector(logs, "dev texts", summary.model.features, summary.splits["dev"].ids, columns)


def _metrics(summary: TrainingSummary) -> dict[str, float]:
    """Return what runs are compared by."""
    monitor = summary.config.training.monitor
    metrics = {f"hparams/dev_{monitor}": summary.outcomes["dev"].scores.headline()[monitor]}
    if "test" in summary.outcomes:
        scores = summary.outcomes["test"].scores
        metrics |= {"hparams/test_macro_f1": scores.macro.f1, "hparams/test_accuracy": scores.accuracy}
    return metrics
