import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from textclf.errors import DataError
from textclf.evaluation import precision_recall_curves

pytestmark = pytest.mark.filterwarnings("error")


def test_average_precision_equals_scikit_learn_although_the_curve_is_thinned(predictions):
    targets, probabilities = predictions(classes=4, rows=3000)
    curves = precision_recall_curves(targets, probabilities, ["a", "b", "c", "d"])
    assert [curve.label for curve in curves] == ["a", "b", "c", "d"]
    for class_id, curve in enumerate(curves):
        assert curve.average_precision == average_precision_score(targets == class_id, probabilities[:, class_id])
        assert curve.support == np.sum(targets == class_id)
        assert len(curve.recall) == len(curve.precision) <= 200


def test_points_of_a_thinned_curve_stand_on_the_whole_one(predictions):
    targets, probabilities = predictions(classes=2, rows=1000)
    curve = precision_recall_curves(targets, probabilities, ["a", "b"], most_points=50)[0]
    precision, recall, _ = precision_recall_curve(targets == 0, probabilities[:, 0])
    assert set(zip(curve.recall, curve.precision, strict=True)) <= set(zip(recall, precision, strict=True))
    assert (np.diff(curve.recall) > 0).all()
    assert (curve.recall[0], curve.precision[0], curve.recall[-1]) == (0.0, 1.0, 1.0)


def test_a_short_curve_keeps_its_best_precision_at_every_recall():
    targets, probabilities = [1, 0, 1, 0], [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]]
    curve = precision_recall_curves(targets, probabilities, ["ham", "spam"])[1]
    assert curve.recall.tolist() == [0.0, 0.5, 1.0]
    assert curve.precision.tolist() == [1.0, 1.0, 2 / 3]


def test_a_class_without_rows_has_no_curve():
    curves = precision_recall_curves([0, 2], [[0.8, 0.1, 0.1], [0.2, 0.2, 0.6]], ["a", "b", "c"])
    assert [curve.label for curve in curves] == ["a", "c"]


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [
        ([[0.5, 0.5]], r"expected float\[2, 2\], a row a text and a column a label, got float64\[1, 2\]"),
        ([[0.5, 0.5], [np.nan, 0.5]], "expected numbers from 0 to 1, got .* in row 1"),
        ([[3.0, -1.0], [0.5, 0.5]], "expected numbers from 0 to 1, got .* in row 0; pass the softmax of the logits"),
    ],
)
def test_wrong_probabilities_are_refused(probabilities, words):
    with pytest.raises(DataError, match=words):
        precision_recall_curves([0, 1], probabilities, ["a", "b"])
