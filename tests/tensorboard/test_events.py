"""What is written of a split says what the scores say, and nothing in a text means anything to TensorBoard."""

import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from textclf.evaluation.mistakes import Mistake
from textclf.evaluation.scores import SCORES, Scores
from textclf.tensorboard import events
from textclf.tensorboard.events import (
    MOST_CLASSES,
    frequent_classes,
    mistakes_table,
    write_confusion_matrix,
    write_precision_recall,
    write_scores,
)

ReadEvents = Callable[[Path], dict[str, dict[int, Any]]]
LABELS = ["退款", "shop/returns", "a b", "日本語 und Ümläute", "no rows"]


@pytest.fixture
def scores() -> Scores:
    matrix = np.random.default_rng(0).integers(0, 9, (5, 5))
    matrix[4] = 0
    return Scores.from_confusion(matrix, LABELS)


def written(directory: Path, write: Callable[[], None], read_events: ReadEvents) -> dict[str, Any]:
    """Return by tag what a function writes; all of it stands at step 7."""
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default(step=7):
        write()
    writer.close()
    found = read_events(directory)
    assert all(list(points) == [7] for points in found.values())
    return {tag: points[7] for tag, points in found.items()}


def test_scores_are_written_with_the_f1_of_every_class_with_rows(
    scores: Scores, tmp_path: Path, read_events: ReadEvents
) -> None:
    found = written(tmp_path, lambda: write_scores("dev", scores, 0.5), read_events)
    expected = {"dev/loss": 0.5} | {f"dev/{name}": score(scores) for name, score in SCORES.items()}
    expected |= {f"dev_class_f1/{label}": f1 for label, f1 in zip(LABELS[:4], scores.f1[:4], strict=True)}
    assert {tag: value.item() for tag, value in found.items()} == pytest.approx(expected)


def test_of_many_classes_the_most_frequent_are_shown() -> None:
    support = np.arange(200) % 100
    shown = frequent_classes(support)
    assert shown[:4] == [99, 199, 98, 198]
    assert len(shown) == MOST_CLASSES


def test_the_confusion_matrix_is_an_image_with_any_labels(
    scores: Scores, tmp_path: Path, read_events: ReadEvents
) -> None:
    # A character without a glyph would be a warning, and so an error here.
    found = written(tmp_path, lambda: write_confusion_matrix("dev", scores), read_events)
    width, height, image = found["dev/confusion_matrix"].tolist()
    pixels = tf.io.decode_png(image).numpy()
    assert pixels.shape == (int(height), int(width), 3)
    assert len(np.unique(pixels)) > 50


def test_curves_count_what_lies_above_each_threshold(tmp_path: Path, read_events: ReadEvents) -> None:
    random = np.random.default_rng(1)
    targets = random.integers(0, 4, 300)
    probabilities = random.dirichlet(np.ones(5), 300).astype(np.float32)
    probabilities[0] = [1.0000001, 0, 0, 0, 0]  # as softmax may round
    matrix = np.zeros((5, 5), np.int64)
    np.add.at(matrix, (targets, probabilities.argmax(axis=1)), 1)
    scores = Scores.from_confusion(matrix, LABELS)
    found = written(
        tmp_path, lambda: write_precision_recall("test", targets, probabilities, scores, step=7), read_events
    )
    assert found.keys() == {f"test_precision_recall/{label}" for label in LABELS[:4]}
    thresholds = np.linspace(0, 1, 201)
    for class_id, label in enumerate(LABELS[:4]):
        true, shares = targets == class_id, np.minimum(probabilities[:, class_id], 1)
        above = np.floor(shares * 200)[np.newaxis] >= np.round(thresholds * 200)[:, np.newaxis]
        hits, false = (above & true).sum(axis=1), (above & ~true).sum(axis=1)
        curve = found[f"test_precision_recall/{label}"]
        np.testing.assert_array_equal(curve[:2], [hits, false])
        np.testing.assert_array_equal(curve[2:4], [(~true).sum() - false, true.sum() - hits])
        np.testing.assert_allclose(curve[4], hits / np.maximum(hits + false, 1e-7), rtol=1e-6)
        np.testing.assert_allclose(curve[5], hits / true.sum(), rtol=1e-6)


class Table(HTMLParser):
    """Collects the tags and the words of the cells of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert not [name for name, _ in attrs if name != "align"]
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


HEAD = ["table", "thead", "tr", "th", "th", "th", "th", "tbody"]
ROW = ["tr", "td", "td", "td", "td"]


def as_shown(markdown: str) -> str:
    """Return the HTML that TensorBoard makes of Markdown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what TensorBoard brings along
        from tensorboard.plugin_util import markdown_to_safe_html
    html: str = markdown_to_safe_html(markdown)
    return html


@given(st.text(max_size=40))
@example("| a | b |\n|---|---|\n<script>alert(1)</script> [x](javascript:alert(1)) ![y](http://example.com/z.png)")
@example("# *b* _c_ `d` ~~e~~ \\| &amp; &lt;img src=x onerror=alert(1)&gt; http://example.com <https://example.com>")
@example("退款！“好” 👍 \ud800 \x02wzxhzdk:0\x03 \x00")
def test_texts_and_labels_are_shown_as_they_are_and_never_read(text: str) -> None:
    mistakes = [Mistake(text, text, "b_c*", 0.75, (text, 3)), Mistake("plain", "b", "c", 0.5)]
    table = Table(as_shown(mistakes_table(mistakes)))
    assert table.tags == HEAD + ROW + ROW
    if text.isprintable():  # TensorBoard and the browser leave others out, or put U+FFFD for them
        line = " ".join(text.split())
        assert [cell.strip() for cell in table.cells[4:8]] == [line, "b_c* (0.750)", line, f"{line} line 3".strip()]
    assert [cell.strip() for cell in table.cells[8:]] == ["b", "c (0.500)", "plain", ""]


def test_long_texts_are_cut_and_no_mistakes_are_none() -> None:
    table = Table(as_shown(mistakes_table([Mistake("<" * 9000, "a", "b", 0.5)])))
    assert table.cells[6].strip() == "<" * (events.LONGEST_TEXT - 1) + "…"
    assert mistakes_table([]) == "none"
