import numpy as np
import pytest

from textclf.errors import DataError
from textclf.evaluation import ConfusedPair, Mistake, Scores, confident_mistakes, confused_pairs

LABELS = ["a", "b"]
PROBABILITIES = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]])
TARGETS = [1, 1, 1, 0, 0]
TEXTS = ["zero", "one", "two", "three", "four"]


def test_the_surest_mistake_comes_first_and_of_equals_the_earlier_row():
    mistakes = confident_mistakes(TEXTS, TARGETS, PROBABILITIES, LABELS)
    assert [mistake.text for mistake in mistakes] == ["one", "three", "four", "zero"]
    assert mistakes[0] == Mistake(text="one", label="b", predicted="a", score=0.9, place=None)


def test_most_and_places():
    places = [("data.csv", row + 2) for row in range(5)]
    mistakes = confident_mistakes(TEXTS, TARGETS, PROBABILITIES, LABELS, most=2, places=places)
    assert [mistake.place for mistake in mistakes] == [("data.csv", 3), ("data.csv", 5)]


def test_a_perfect_model_makes_none():
    assert confident_mistakes(["x"], [0], [[0.9, 0.1]], LABELS) == []


@pytest.mark.parametrize(("name", "texts", "places"), [("texts", ["x"], None), ("places", TEXTS, [("f", 1)])])
def test_lists_that_do_not_fit_are_refused(name, texts, places):
    with pytest.raises(DataError, match=f"{name}: expected one for each of the 5 targets, got 1"):
        confident_mistakes(texts, TARGETS, PROBABILITIES, LABELS, places=places)


def test_confused_pairs_by_count_then_share():
    scores = Scores.from_confusion([[5, 2, 0], [2, 1, 0], [3, 0, 9]], ["a", "b", "c"])
    assert confused_pairs(scores) == [
        ConfusedPair("c", "a", 3, 0.25),
        ConfusedPair("b", "a", 2, 2 / 3),
        ConfusedPair("a", "b", 2, 2 / 7),
    ]
    assert len(confused_pairs(scores, most=1)) == 1
