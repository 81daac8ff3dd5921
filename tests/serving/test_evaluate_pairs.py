"""Scores on labelled pairs, from the run's own split or from another file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from textclf.config import Config
from textclf.errors import ConfigError
from textclf.runs.directory import Run
from textclf.serving.evaluate import evaluate


def test_scores_of_the_own_test_split_are_those_of_the_training(pair_run: Run) -> None:
    assert evaluate(pair_run).to_json() == pair_run.scores().to_json()


def test_other_data_may_call_its_columns_otherwise(pair_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("b,a,label\nred today,the red,same\n蓝 is,my red,other\n", encoding="utf-8")
    columns = ["data.text_column=a", "data.pair_column=b"]
    scores = evaluate(pair_run.path, str(path), overrides=columns, report_dir=tmp_path / "report")
    assert (scores.support, scores.accuracy) == (2, 1.0)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "--set data.text_column=a --set data.pair_column=b" in page


def test_pairs_and_single_texts_are_not_taken_for_each_other(
    pair_run: Run, trained_run: Run, pair_config: Callable[..., Config]
) -> None:
    source = str(pair_config().data.test)
    with pytest.raises(
        ConfigError,
        match=r"data\.pair_column=null asks for single texts, but '.*' was trained on pairs of texts "
        r"\(data\.pair_column=second\)",
    ):
        evaluate(pair_run, source, overrides=["data.pair_column=null"])
    columns = ["data.text_column=first", "data.pair_column=second"]
    with pytest.raises(ConfigError, match=r"=second asks for pairs of texts, but .* single texts \(data\.pair_column="):
        evaluate(trained_run, source, overrides=columns)
