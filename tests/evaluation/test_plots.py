import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from textclf.evaluation import Scores, confusion_matrix, fonts, precision_recall_curves
from textclf.evaluation.calibration import reliability, scale
from textclf.evaluation.plots import (
    confusion_matrix_figure,
    per_class_f1_figure,
    precision_recall_figure,
    training_curves_figure,
    write_plots,
)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def only_the_default_font(monkeypatch):
    """Make the machine one without a font for Chinese."""
    monkeypatch.setattr(fonts, "_font_paths", lambda: (fonts._default_font(),))


def scores_and_curves(predictions, labels, rows=80):
    targets, probabilities = predictions(len(labels), rows)
    matrix = confusion_matrix(targets, probabilities.argmax(axis=1), len(labels))
    return Scores.from_confusion(matrix, labels), precision_recall_curves(targets, probabilities, labels)


def reliabilities(predictions, labels, rows=80):
    targets, probabilities = predictions(len(labels), rows)
    return {
        "before": reliability(probabilities, targets),
        "after": reliability(scale(probabilities, 2.0), targets),
    }


def made(predictions, labels=("a", "b")):
    return *scores_and_curves(predictions, labels), reliabilities(predictions, labels)


def png_size(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


@pytest.mark.parametrize(
    "labels",
    [
        ["one class"],
        ["体育", "财经", "科技"],
        ["$x^2", "_hidden", "a\nb", "", "\x00", "😀 \u202e", "long " * 50],
        [f"label {number}" for number in range(77)],
    ],
    ids=["one", "chinese", "hostile", "many"],
)
def test_all_plots_are_written_whatever_the_labels_are(tmp_path, predictions, history, labels):
    paths = write_plots(tmp_path / "plots", *made(predictions, labels), history)
    assert {path.name for path in paths} == {
        "confusion_matrix.png",
        "per_class_f1.png",
        "precision_recall.png",
        "reliability.png",
        "training_curves.png",
    }
    assert all(min(png_size(path)) > 200 for path in paths)


def test_no_history_no_training_curves(tmp_path, predictions):
    paths = write_plots(tmp_path, *made(predictions))
    assert "training_curves.png" not in {path.name for path in paths}


def test_plots_leave_the_settings_of_matplotlib_alone(tmp_path, predictions, history):
    before = dict(matplotlib.rcParams)
    write_plots(tmp_path, *made(predictions), history)
    assert dict(matplotlib.rcParams) == before


def test_a_plot_that_is_not_written_to_its_end_changes_nothing(tmp_path, predictions, monkeypatch):
    (tmp_path / "confusion_matrix.png").write_bytes(b"old")

    def half(_, path, **__):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="No space left"):
        write_plots(tmp_path, *made(predictions))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"confusion_matrix.png": b"old"}


@pytest.mark.usefixtures("only_the_default_font")
def test_without_a_chinese_font_labels_become_numbers(predictions):
    scores, curves = scores_and_curves(predictions, ["体育", "财经", "sport"])
    axes = confusion_matrix_figure(scores).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "2", "3"]
    legend = precision_recall_figure(curves, scores.labels).axes[0].get_legend()
    assert [text.get_text().split()[-1] for text in legend.get_texts()] == ["1", "2", "3"]


def test_labels_that_look_alike_once_shortened_become_numbers():
    names, _ = fonts.axis_names(["the same long beginning " * 3 + end for end in "ab"])
    assert names == ["1", "2"]


def test_a_font_file_that_cannot_be_read_is_passed_over(tmp_path):
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    assert fonts._characters_of(str(broken)) == frozenset()
    assert fonts.font_with("abc") == fonts._default_font()


def test_counts_are_written_for_few_classes_and_not_for_many():
    few = confusion_matrix_figure(Scores.from_confusion([[12345, 1], [0, 4]], ["a", "b"]))
    assert [text.get_text() for text in few.axes[0].texts] == ["12k", "1", "4"]
    many = confusion_matrix_figure(Scores.from_confusion(np.eye(41, dtype=int), [str(n) for n in range(41)]))
    assert not many.axes[0].texts


def test_many_classes_show_the_lowest_f1():
    matrix = np.diag(np.arange(1, 51))
    matrix[30] = 0
    matrix[:5, 49] += 9
    figure = per_class_f1_figure(Scores.from_confusion(matrix, [f"label {number}" for number in range(50)]))
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert figure.axes[0].get_title(loc="left") == "F1 of the lowest 30 of 49 classes with rows"
    assert shown[-5:] == ["label 4", "label 3", "label 2", "label 1", "label 0"]


def test_training_curves_go_by_step_when_an_epoch_is_evaluated_twice(history):
    assert training_curves_figure(history).axes[0].get_xlabel() == "epoch"
    twice = [record | {"epoch": 1} for record in history]
    assert training_curves_figure(twice).axes[0].get_xlabel() == "step"


def test_a_loss_that_was_never_measured_has_no_line(history):
    without = [record | {"dev_loss": None} for record in history]
    labels = [line.get_label() for line in training_curves_figure(without).axes[0].lines]
    assert labels == ["train"]
