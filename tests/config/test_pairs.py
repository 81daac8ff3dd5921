"""Pairs of texts in a config: one field, and what does not go with it."""

from typing import Any

import pytest

from textclf.config import Config, load_config
from textclf.config.comments import comment_config
from textclf.errors import ConfigError

PAIRS = {"train": "a.csv", "pair_column": "hypothesis"}


def make(model: Any = "textcnn", text: Any = None, **data: Any) -> Config:
    return Config.make({"data": PAIRS | data, "model": model, "text": text})


def test_rows_are_single_texts_unless_it_says_otherwise() -> None:
    config = Config.make({"data": {"train": "a.csv"}})
    assert config.data.pair_column is None
    assert config.data.columns == {"data.text_column": "text", "data.label_column": "label"}
    assert "\n  #pair_column: null\n" in comment_config(config, "x")
    assert make().data.columns == config.data.columns | {"data.pair_column": "hypothesis"}


def test_a_column_may_be_a_number() -> None:
    numbers = [f"data.{name}_column={number}" for number, name in enumerate(("text", "pair", "label"), start=1)]
    assert load_config(None, ["data.train=a.csv", "data.header=false", *numbers]).data.pair_column == "2"


@pytest.mark.parametrize("options", [{"preset": "minilm"}, {"preset": "minilm", "encoder": "frozen"}, {}])
def test_every_model_takes_pairs(options: dict[str, Any]) -> None:
    for name in ("textcnn", "linear"):
        assert make(name).data.pair_column == "hypothesis"
    assert make({"name": "bert"} | options).data.pair_column == "hypothesis"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text_column": "hypothesis"}, "text_column and pair_column are both 'hypothesis'; they must differ"),
        ({"label_column": "hypothesis"}, "pair_column and label_column are both 'hypothesis'; they must differ"),
        ({"format": "fasttext"}, "data: format=fasttext and pair_column=hypothesis exclude each other"),
        ({"format": "folder"}, "data: format=folder and pair_column=hypothesis exclude each other"),
        (
            {"model": {"name": "bert", "long_texts": "windows"}},
            "model: model.long_texts=windows and data.pair_column=hypothesis exclude each other",
        ),
        (
            {"model": {"name": "bert", "long_texts": "head+tail"}},
            r"model: model.long_texts=head\+tail and data.pair_column=hypothesis exclude each other",
        ),
        (
            {"model": "bert", "text": {"max_tokens": 4}},
            "text: expected max_tokens of at least 5 with data.pair_column=hypothesis, .* got 4",
        ),
        ({"text": {"max_tokens": 2}}, "text: expected max_tokens of at least 3 with data.pair_column=hypothesis"),
        ({"text": {"max_size": 3}}, "text: expected max_size of at least 4 with data.pair_column=hypothesis"),
    ],
)
def test_what_does_not_go_with_pairs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**values)
