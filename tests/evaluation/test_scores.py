import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from textclf.config.scores import SCORES as REGISTERED
from textclf.errors import ConfigError, DataError
from textclf.evaluation import SCORES, Scores, confusion_matrix, score

pytestmark = pytest.mark.filterwarnings("error")


@st.composite
def rows_of_ids(draw, most_classes=40, most_rows=120):
    """Targets and predictions; from few rows of many classes, so that some classes stand in neither."""
    classes = draw(st.integers(2, most_classes))
    rows = draw(st.integers(1, most_rows))
    ids = st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)
    return draw(ids), draw(ids), classes


def names_of(classes):
    return [f"label {number}" for number in range(classes)]


@given(rows_of_ids())
@settings(max_examples=60, deadline=None)
def test_every_score_equals_scikit_learn_to_the_last_digit(rows):
    targets, predictions, classes = rows
    scores = Scores.from_confusion(confusion_matrix(targets, predictions, classes), names_of(classes))

    np.testing.assert_array_equal(
        scores.confusion, sklearn_confusion_matrix(targets, predictions, labels=range(classes))
    )
    assert scores.accuracy == accuracy_score(targets, predictions)
    assert scores.micro.f1 == scores.accuracy
    for average in ("macro", "weighted", "micro"):
        expected = precision_recall_fscore_support(
            targets, predictions, labels=range(classes), average=average, zero_division=0
        )[:3]
        assert tuple(getattr(scores, average)) == expected
    ours = (scores.precision, scores.recall, scores.f1, scores.counts.support)
    theirs = precision_recall_fscore_support(targets, predictions, labels=range(classes), zero_division=0)
    for column, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(column, expected)


@given(rows_of_ids(), st.lists(st.integers(0, 4), min_size=120, max_size=120))
@settings(max_examples=50, deadline=None)
def test_matrices_of_any_parts_sum_to_that_of_the_whole(rows, parts):
    targets, predictions, classes = (np.array(each) for each in rows)
    part_of_row = np.array(parts[: len(targets)])
    whole = confusion_matrix(targets, predictions, classes)
    summed = sum(
        confusion_matrix(targets[part_of_row == part], predictions[part_of_row == part], classes) for part in range(5)
    )
    labels = names_of(classes)
    assert Scores.from_confusion(summed, labels).to_json() == Scores.from_confusion(whole, labels).to_json()


def test_rows_are_targets_and_columns_predictions():
    matrix = confusion_matrix([0, 0, 2], [1, 0, 2], num_classes=3)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_small_integer_types_do_not_overflow(dtype):
    assert confusion_matrix(np.array([120], dtype), np.array([121], dtype), num_classes=122)[120, 121] == 1


def test_no_rows_score_zero_without_a_warning():
    scores = Scores.from_confusion(confusion_matrix([], [], 2), ["a", "b"])
    assert set(scores.headline().values()) == {0.0}


@pytest.mark.parametrize(
    ("targets", "predictions", "words"),
    [
        ([0, 2], [0, 1], "targets: expected class ids from 0 to 1, got 2 in row 1"),
        ([0, 1], [-1, 1], "predictions: expected class ids from 0 to 1, got -1 in row 0"),
        ([0.0, 1.0], [0, 1], r"targets: expected class ids, int\[n\], got float64\[2\]"),
        ([[0], [1]], [0, 1], r"targets: expected class ids, int\[n\], got int64\[2, 1\]"),
        ([0, 1], [0], "got 2 targets, 1 predictions"),
    ],
)
def test_wrong_ids_are_refused(targets, predictions, words):
    with pytest.raises(DataError, match=words):
        confusion_matrix(targets, predictions, num_classes=2)


@pytest.mark.parametrize(
    ("matrix", "labels", "words"),
    [
        ([[1, 0]], ["a", "b"], r"expected counts, int\[2, 2\] for 2 labels, got int64\[1, 2\]"),
        ([[1.0, 0.0], [0.0, 1.0]], ["a", "b"], r"got float64\[2, 2\]"),
        ([[1, -3], [0, 1]], ["a", "b"], "expected counts from 0 up, got -3"),
        ([[1, 0], [0, 1]], ["a", "a"], "expected each name once, got 'a' more than once"),
        (np.zeros((0, 0), np.int64), [], "expected a name for each class, got none"),
    ],
)
def test_wrong_matrices_are_refused(matrix, labels, words):
    with pytest.raises(DataError, match=words):
        Scores.from_confusion(matrix, labels)


def test_scores_do_not_change_with_the_matrix_they_were_made_from():
    matrix = np.array([[3, 1], [0, 4]])
    scores = Scores.from_confusion(matrix, ["ham", "spam"])
    matrix[0, 0] = 100
    assert scores.support == 8
    with pytest.raises(ValueError, match="read-only"):
        scores.confusion[0, 0] = 100


def test_json_can_be_read_and_comes_back_equal():
    scores = Scores.from_confusion([[3, 1], [0, 4]], ["体育", "spam"])
    values = json.loads(json.dumps(scores.to_json()))
    assert list(values) == ["accuracy", "support", "macro", "micro", "weighted", "per_class", "labels", "confusion"]
    assert values["per_class"]["体育"] == {"precision": 1.0, "recall": 0.75, "f1": 6 / 7, "support": 4}
    assert values["confusion"] == [[3, 1], [0, 4]]
    assert Scores.from_json(values).to_json() == scores.to_json()


def test_json_without_a_matrix_is_refused():
    with pytest.raises(DataError, match="expected the keys 'labels' and 'confusion', got 'accuracy'"):
        Scores.from_json({"accuracy": 1.0})


def test_every_registered_score_is_the_one_its_name_says():
    scores = Scores.from_confusion([[3, 1, 0], [0, 4, 2], [1, 0, 0]], ["a", "b", "c"])
    assert scores.headline().keys() == SCORES.keys()
    assert SCORES.keys() == REGISTERED.keys()
    assert score("accuracy")(scores) == scores.accuracy
    for average in ("macro", "micro", "weighted"):
        for part in ("precision", "recall", "f1"):
            assert score(f"{average}_{part}")(scores) == getattr(getattr(scores, average), part)


def test_an_unknown_score_names_the_nearest():
    with pytest.raises(ConfigError, match=r"expected one of 'accuracy'.* got 'macro_f'. Did you mean 'macro_f1'"):
        score("macro_f")


def test_a_thousand_classes():
    generator = np.random.default_rng(0)
    targets, predictions = generator.integers(0, 1000, (2, 5000))
    scores = Scores.from_confusion(confusion_matrix(targets, predictions, 1000), names_of(1000))
    assert len(scores.table().splitlines()) == 1000 + 6
    assert len(scores.to_json()["per_class"]) == 1000
