"""What one split's scores and answers become in TensorBoard; each function writes to the default writer at its step."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorboard.plugins.pr_curve import summary as pr_curve

from textclf.evaluation.mistakes import Mistake
from textclf.evaluation.scores import Scores

# A chart a class: TensorBoard's page gets slow and nobody looks at hundreds of them. The most frequent ones are those
# whose scores say something; all of them stand in scores.json and in the report.
MOST_CLASSES = 50
LONGEST_TEXT = 400
_DOTS_PER_INCH = 100


def write_scores(prefix: str, scores: Scores, loss: float) -> None:
    """Write every score and the loss under `<prefix>/`, and the F1 of the classes under `<prefix>_class_f1/`."""
    tf.summary.scalar(f"{prefix}/loss", loss)
    for name, value in scores.headline().items():
        tf.summary.scalar(f"{prefix}/{name}", value)
    for class_id in frequent_classes(scores.counts.support):
        tf.summary.scalar(f"{prefix}_class_f1/{scores.labels[class_id]}", scores.f1[class_id])


def frequent_classes(support: npt.NDArray[np.int64]) -> list[int]:
    """Return the classes with the most rows, at most `MOST_CLASSES`, those of equal support in their own order.

    Example:
        >>> frequent_classes(np.array([3, 0, 7, 3]))
        [2, 0, 3]
    """
    order = np.argsort(-support, kind="stable")[:MOST_CLASSES]
    return [int(class_id) for class_id in order if support[class_id]]


def write_confusion_matrix(prefix: str, scores: Scores) -> None:
    """Write the confusion matrix as the image `<prefix>/confusion_matrix`."""
    # Imported when there is something to draw: it takes a second.
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from textclf.evaluation.plots import confusion_matrix_figure

    figure = confusion_matrix_figure(scores)
    figure.set_dpi(_DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[np.newaxis, :, :, :3]  # (1, height, width, 3)
    tf.summary.image(f"{prefix}/confusion_matrix", pixels)


def write_precision_recall(
    prefix: str, targets: npt.NDArray[np.integer], probabilities: npt.NDArray[np.float32], scores: Scores, step: int
) -> None:
    """Write the precision-recall curve of each frequent class as `<prefix>_precision_recall/<label>`.

    Args:
        prefix: What the tags begin with.
        targets: int[rows], the right class ids.
        probabilities: float32[rows, classes].
        scores: Of the same rows.
        step: The step of the weights.
    """
    for class_id in frequent_classes(scores.counts.support):
        # The plugin bins what it gets: a probability rounded beyond 1 would fall out.
        shares = np.clip(probabilities[:, class_id], 0.0, 1.0)
        tag = f"{prefix}_precision_recall/{scores.labels[class_id]}"
        curve = pr_curve.pb(tag, targets == class_id, shares, display_name=scores.labels[class_id])
        curve.value[0].tag = tag  # without the `/pr_curves` that it puts behind
        tf.summary.experimental.write_raw_pb(curve.SerializeToString(), step=step)


def write_mistakes(prefix: str, mistakes: Sequence[Mistake]) -> None:
    """Write a table of mistakes as the text `<prefix>/mistakes`."""
    tf.summary.text(f"{prefix}/mistakes", mistakes_table(mistakes))


def mistakes_table(mistakes: Sequence[Mistake]) -> str:
    """Return mistakes as a Markdown table in which nothing of texts, labels and files is read as Markdown or HTML.

    Example:
        >>> print(mistakes_table([Mistake("*win* | <b>", "spam", "ham", 0.912, ("a.csv", 7))]))
        | label | predicted | text | place |
        |---|---|---|---|
        | spam | ham (0.912) | &#42;win&#42; &#124; &#60;b&#62; | a&#46;csv line 7 |
    """
    if not mistakes:
        return "none"
    texts = ["text"] if mistakes[0].pair is None else ["first text", "second text"]
    head = ["label", "predicted", *texts, "place"]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *map(_row, mistakes)])


def _row(mistake: Mistake) -> str:
    texts = [mistake.text] if mistake.pair is None else [mistake.text, mistake.pair]
    shown = [text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…" for text in texts]
    place = "" if mistake.place is None else f"{_literal(mistake.place[0])} line {mistake.place[1]}"
    # A column of its own for the score would be so narrow that TensorBoard breaks the numbers.
    predicted = f"{_literal(mistake.predicted)} ({mistake.score:.3f})"
    return f"| {' | '.join((_literal(mistake.label), predicted, *map(_literal, shown), place))} |"


def _literal(text: str) -> str:
    """Return a text on one line, with a number in place of each character that means something to somebody.

    All marks of Markdown and HTML are ASCII; what cannot be printed (half a surrogate pair, NUL) goes the same way.
    """
    line = " ".join(text.split())
    return "".join(
        each if each.isalnum() or each == " " or (not each.isascii() and each.isprintable()) else f"&#{ord(each)};"
        for each in line
    )
