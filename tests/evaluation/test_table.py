import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.evaluation import Scores
from textclf.evaluation.table import shorten
from textclf.terminal import display_width


def test_rows_line_up_also_with_chinese_labels():
    scores = Scores.from_confusion([[3, 1, 0], [0, 4, 0], [0, 0, 0]], ["体育与健康", "ham", "a label " * 20])
    lines = scores.table().splitlines()
    assert len({display_width(line) for line in lines}) == 1
    assert lines[2].split() == ["体育与健康", "1.0000", "0.7500", "0.8571", "4"]
    assert lines[-1].split() == ["accuracy", "0.8750", "8"]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("中文", 4), ("e\u0301", 1), ("ＡＢ", 4), ("", 0)])
def test_display_width(text, width):
    assert display_width(text) == width


@settings(max_examples=50, deadline=None)
@given(st.text(), st.integers(1, 30))
def test_shortened_texts_fit_on_one_line(text, most):
    short = shorten(text, most)
    assert display_width(short) <= most
    assert len(short.splitlines()) <= 1
    if not short.endswith("…"):
        assert short == " ".join(text.split())
