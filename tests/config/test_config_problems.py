"""What a person reads when a config does not fit."""

from typing import Any

import pytest

from textclf.config import Config, TextCNNConfig
from textclf.errors import ConfigError, did_you_mean, listing


def problems(**values: Any) -> list[str]:
    """Return the lines of the error that a config gets, without their heading."""
    with pytest.raises(ConfigError) as caught:
        Config.make({"data": {"train": "messages.csv"}} | values)
    heading, *lines = str(caught.value).splitlines()
    assert heading == f"The config has {len(lines)} problem{'s' if len(lines) > 1 else ''}:"
    return [line.removeprefix("  ") for line in lines]


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"training": {"epoch": 3}}, "training.epoch: unknown key. Did you mean 'epochs'?"),
        ({"modle": "linear"}, "modle: unknown key. Did you mean 'model'?"),
        ({"epochs": 3}, "epochs: unknown key. Did you mean 'training.epochs'?"),
        ({"learning-rate": 0.1}, "learning-rate: unknown key. Did you mean 'training.learning_rate'?"),
        ({"data": {"train": "x", "epoch": 3}}, "data.epoch: unknown key. Did you mean 'training.epochs'?"),
        ({"text": {"epochs": 3}}, "text.epochs: unknown key. Did you mean 'training.epochs'?"),
        ({"training": {"num_filter": 3}}, "training.num_filter: unknown key. Did you mean 'model.num_filters'?"),
        ({"model": {"num_filter": 3}}, "model.num_filter: unknown key. Did you mean 'num_filters'?"),
        ({"text": {"qqq": 3}}, "text.qqq: unknown key. Known here: 'tokens', 'max_tokens', 'min_count', 'max_size'."),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(values: dict[str, Any], hint: str) -> None:
    assert problems(**values) == [hint]


@pytest.mark.parametrize(
    ("model", "path", "owner", "chosen"),
    [
        ({"name": "linear", "num_filters": 3}, "model.num_filters", "textcnn", "linear"),
        ({"name": "textcnn", "max_ngram": 3}, "model.max_ngram", "linear", "textcnn"),
        ({"max_ngram": 3}, "model.max_ngram", "linear", "textcnn"),
    ],
)
def test_an_option_of_another_model_names_that_model(model: dict[str, Any], path: str, owner: str, chosen: str) -> None:
    key = path.removeprefix("model.")
    assert problems(model=model) == [f"{path}: unknown key. {key} is an option of {owner}, and this model is {chosen}."]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"training": {"epochs": "5"}}, "training.epochs: expected an integer, got '5'"),
        ({"training": {"epochs": 5.0}}, "training.epochs: expected an integer, got 5.0"),
        ({"seed": True}, "seed: expected an integer, got True"),
        ({"seed": -1}, "seed: expected a number greater than or equal to 0, got -1"),
        ({"seed": 2**32}, "seed: expected a number less than 4294967296, got 4294967296"),
        ({"text": {"max_tokens": 0}}, "text.max_tokens: expected a number greater than or equal to 1, got 0"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate: expected a number greater than 0, got 0"),
        ({"training": {"learning_rate": float("inf")}}, "training.learning_rate: expected a finite number, got inf"),
        ({"training": {"warmup": 1.0}}, "training.warmup: expected a number less than 1, got 1.0"),
        ({"model": {"dropout": "a"}}, "model.dropout: expected a number, got 'a'"),
        ({"model": {"filter_sizes": []}}, "model.filter_sizes: expected a list of at least 1, got []"),
        ({"model": {"filter_sizes": 3}}, "model.filter_sizes: expected a list, got 3"),
        (
            {"model": {"filter_sizes": [3, 0]}},
            "model.filter_sizes.1: expected a number greater than or equal to 1, got 0",
        ),
        (
            {"model": {"name": "linear", "max_ngram": 4}},
            "model.max_ngram: expected a number less than or equal to 3, got 4",
        ),
        (
            {"text": {"tokens": "word"}},
            "text.tokens: expected 'words' or 'characters', got 'word'. Did you mean 'words'?",
        ),
        ({"text": {"tokens": 5}}, "text.tokens: expected 'words' or 'characters', got 5"),
        ({"text": 5}, "text: expected a mapping of options, got 5"),
        ({"data": []}, "data: expected a mapping of options, got []"),
        ({"data": {}}, "data.train: required, but missing"),
        ({"data": {"train": "x", "header": "yes"}}, "data.header: expected a boolean, got 'yes'"),
        *(
            (
                {"name": name},
                "name: expected letters (A to Z), digits, '_', '.' and '-', the first a letter or a digit, and no "
                f"spaces, got {name!r}",
            )
            for name in ("a/b", "my tickets", "-a", "", "a\n", "体育")
        ),
        (
            {"model": 5},
            "model: expected a mapping of options or one of the names 'textcnn', 'bert', 'linear', got 5",
        ),
        ({"model": "liner"}, "model: expected one of 'textcnn', 'bert', 'linear', got 'liner'. Did you mean 'linear'?"),
        ({"model": {"name": "qqq"}}, "model: expected one of 'textcnn', 'bert', 'linear', got 'qqq'."),
    ],
)
def test_a_wrong_value_gets_what_was_expected_and_what_came(values: dict[str, Any], line: str) -> None:
    assert problems(**values) == [line]


@pytest.mark.parametrize("value", [2.0, 0.0, 1.0, 1, True, float("nan"), [], {}])
@pytest.mark.parametrize("field", ["dev", "test"])
def test_a_split_that_is_neither_source_nor_share_is_one_problem(field: str, value: Any) -> None:
    assert problems(data={"train": "x", field: value}) == [
        f"data.{field}: expected a source or a share between 0 and 1, got {value!r}"
    ]


def test_only_test_can_be_left_out() -> None:
    assert Config.make({"data": {"train": "x", "test": None}}).data.test is None
    assert problems(data={"train": "x", "dev": None}) == [
        "data.dev: expected a source or a share between 0 and 1, got None"
    ]


@pytest.mark.parametrize("model", [{"vectors": "v.txt"}, {"vectors_mode": "static"}])
def test_vectors_without_their_mode_are_one_problem_said_once(model: dict[str, Any]) -> None:
    (line,) = problems(model=model)
    assert line.startswith("model: vectors and vectors_mode go together: name a file and one of static, non-static, ")
    assert line.count("model") == 1


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            {"encoding": "window-1252"},
            "data.encoding: expected the name of a character encoding such as utf-8, windows-1252 or gb18030, "
            "got 'window-1252'. Did you mean 'windows-1252'?",
        ),
        (
            {"encoding": "zlib"},  # a codec, but one from bytes to bytes
            "data.encoding: expected the name of a character encoding such as utf-8, windows-1252 or gb18030, "
            "got 'zlib'.",
        ),
        ({"label_column": "text"}, "data: text_column and label_column are both 'text'; they must differ"),
        (
            {"folds": "folds.txt", "test": "test.csv"},
            "data: folds makes the test split, so test cannot name a source; take one of the two out",
        ),
        *(
            (
                {"delimiter": delimiter},
                "data.delimiter: expected one character such as ';' or '|', neither a quote nor a line end, "
                f"got {delimiter!r}",
            )
            for delimiter in ("", ";;", '"', "\n", "\r", "\0")
        ),
    ],
)
def test_what_no_file_can_be_read_with_is_refused_before_any_is(data: dict[str, Any], line: str) -> None:
    assert problems(data={"train": "x"} | data) == [line]


def test_a_misspelt_score_is_refused() -> None:
    (line,) = problems(training={"monitor": "macro_f2"})
    assert line.startswith("training.monitor: expected one of 'accuracy', 'macro_f1', ")
    assert line.endswith("got 'macro_f2'. Did you mean 'macro_f1'?")


def test_every_problem_is_said_at_once() -> None:
    lines = problems(
        seed=-1,
        data={"dev": 2.0, "epoch": 3},
        model="linnear",
        training={"epochs": "5", "batch_size": 0, "monitor": "f2"},
        zzz=1,
    )
    paths = {line.partition(":")[0] for line in lines}
    assert paths == {
        "seed",
        "data.train",
        "data.dev",
        "data.epoch",
        "model",
        "training.epochs",
        "training.batch_size",
        "training.monitor",
        "zzz",
    }
    assert len(lines) == 9


def test_no_word_of_pydantic_and_no_endless_value() -> None:
    (line,) = problems(text={"max_tokens": ["many"] * 1000})
    assert line.startswith("text.max_tokens: expected an integer, got ['many', 'many', ")
    assert len(line) < 160


def test_sections_are_frozen() -> None:
    config = TextCNNConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.num_filters = 3  # type: ignore[misc]


def test_hints() -> None:
    assert did_you_mean("epoch", ["epochs", "seed"]) == " Did you mean 'epochs'?"
    assert did_you_mean("epoch", []) == ""
    assert listing([]) == ""
    assert listing(str(number) for number in range(13)).endswith("'11' and 1 more")
    assert listing(["a", "b"], most=2) == "'a', 'b'"
