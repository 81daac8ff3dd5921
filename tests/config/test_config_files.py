"""Configs from YAML files and overrides, and every field's description."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.config import Config, LinearConfig, Section, TextCNNConfig, load_config
from textclf.config.files import DATA_SUFFIXES, override
from textclf.config.models import MODELS, model_config_class, model_entry
from textclf.data.readers import FORMATS
from textclf.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_file(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def test_defaults_are_the_classic_configuration() -> None:
    config = load_config(None, ["data.train=messages.csv"])
    model = config.model
    assert isinstance(model, TextCNNConfig)
    assert (model.embedding_dim, model.num_filters, model.filter_sizes, model.dropout) == (128, 128, [3, 4, 5], 0.5)
    assert config.text.max_tokens == 200


def test_overrides_go_on_top_of_the_file_and_the_later_one_wins(write: Any) -> None:
    path = write("data: {train: a.csv, dev: 0.2}\ntraining:\n  epochs: 3\n  batch_size: 8\n")
    config = load_config(
        path, ["training.epochs=4", "training.epochs=5", "data.test=null", "model.filter_sizes=[2,3]", "name=a"]
    )
    assert (config.training.epochs, config.training.batch_size) == (5, 8)
    assert (config.data.dev, config.data.test) == (0.2, None)
    assert config.model.filter_sizes == [2, 3]  # type: ignore[attr-defined]
    assert config.name == "a"


def test_a_value_can_hold_an_equals_sign() -> None:
    assert override({}, ["data.train=a=b.csv"]) == {"data": {"train": "a=b.csv"}}


@pytest.mark.parametrize(
    "text", ["my file #2.csv", "a: b.csv", "[a].csv", "{x", "2020-01-01", "12", "1e3", "~", "#", "no", "-", "'a' b.csv"]
)
def test_a_string_is_taken_as_it_stands(text: str) -> None:
    config = load_config(None, [f"data.train={text}", f"data.text_column={text}"])
    assert (config.data.train, config.data.text_column) == (text, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("my file #2.csv", "my file #2.csv"),
        ("a: b.csv", "a: b.csv"),
        ("'0.2'", "0.2"),
        ('"a\\tb.csv"', "a\tb.csv"),
        ("0.2", 0.2),
        ("2e-1", 0.2),
        ("null", None),
    ],
)
def test_a_source_or_a_share_or_nothing(text: str, value: str | float | None) -> None:
    assert load_config(None, ["data.train=x", f"data.test={text}"]).data.test == value


def test_a_string_or_nothing() -> None:
    overrides = ["data.train=x", "model.vectors=vectors #1.txt", "model.vectors_mode=static", "data.folds=12"]
    config = load_config(None, overrides)
    assert (config.model.vectors, config.data.folds) == ("vectors #1.txt", "12")  # type: ignore[attr-defined]
    assert load_config(None, [*overrides, "data.folds=null"]).data.folds is None
    assert load_config(None, [*overrides, "data.folds='null'"]).data.folds == "null"


as_they_stand = (st.text(min_size=1) | st.text("~#NULnul \t", min_size=1)).filter(
    lambda text: text != "null" and text.strip()[:1] not in ("'", '"')
)


@given(as_they_stand)
def test_only_the_word_null_is_nothing_where_a_string_may_stand(text: str) -> None:
    values = override({}, [f"data.folds={text}", f"model.vectors={text}", f"data.delimiter={text}"])
    assert values == {"data": {"folds": text, "delimiter": text}, "model": {"vectors": text}}


@pytest.mark.parametrize("delimiter", ["#", "~", " ", "'", "-", ":", "1", "\t"])
def test_a_delimiter_is_any_character(delimiter: str) -> None:
    assert load_config(None, ["data.train=x", f"data.delimiter={delimiter}"]).data.delimiter == delimiter


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("data.train", "a string"),
        ("data.text_column", "a string"),
        ("data.dev", "a source or a share between 0 and 1"),
        ("training.epochs", "an integer"),
    ],
)
def test_null_is_refused_where_a_field_must_have_a_value(key: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"{re.escape(key)}: expected {expected}, got None"):
        load_config(None, ["data.train=x", f"{key}=null"])


@pytest.mark.parametrize("key", ["data.train", "data.test", "data.folds"])
def test_a_string_that_is_left_out_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"--set {re.escape(key)}: expected a value after '=', got none"):
        load_config(None, ["data.train=x", f"{key}="])
    assert override({}, [f"{key}=''"]) == {"data": {key.removeprefix("data."): ""}}


@pytest.mark.parametrize("inside", ["x.csv", 0.5, ["a"], False])
def test_an_option_of_what_is_no_mapping_is_refused(inside: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        override({"data": inside}, ["data.dev=dev.csv"])
    assert f"--set data.dev: expected 'data' to be a mapping of options, but it is {inside!r}. Give" in str(
        caught.value
    )
    assert override({"data": None}, ["data.dev=dev.csv"]) == {"data": {"dev": "dev.csv"}}


def test_override_leaves_its_input_alone() -> None:
    values = {"training": {"epochs": 3}}
    assert override(values, ["training.epochs=4"]) == {"training": {"epochs": 4}}
    assert values == {"training": {"epochs": 3}}


@pytest.mark.parametrize("text", ["training.epochs", "=5", ".epochs=5", "training.=5", "a..b=1", ""])
def test_an_override_without_key_and_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set: expected KEY=VALUE such as training\.epochs=5, got"):
        override({}, [text])


@pytest.mark.parametrize("value", ["[1", "{a: 1, a: 2}", "2020-13-45", "'"])
def test_an_override_that_is_no_yaml_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"--set training\.epochs: '.*' cannot be read as a YAML value"):
        override({}, [f"training.epochs={value}"])


@pytest.mark.parametrize("overrides", [["model=linear"], ["model.name=linear"], ["model=textcnn", "model=linear"]])
def test_the_model_by_its_name_alone(overrides: list[str]) -> None:
    config = load_config(None, ["data.train=x", *overrides])
    assert config.model == LinearConfig()


def test_an_option_on_top_of_the_name_alone(write: Any) -> None:
    path = write("data: {train: x}\nmodel: linear\n")
    assert load_config(path, ["model.max_ngram=1"]).model == LinearConfig(max_ngram=1)


def test_another_model_drops_the_options_of_the_file(write: Any) -> None:
    path = write("data: {train: x}\nmodel: {num_filters: 7}\n")
    assert load_config(path, ["model=linear"]).model == LinearConfig()
    with pytest.raises(ConfigError, match="num_filters is an option of textcnn, and this model is linear"):
        load_config(path, ["model.name=linear"])


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "0.001", "1.0e-3", "1e-03"])
def test_numbers_with_exponents_are_numbers(number: str, write: Any) -> None:
    path = write(f"data: {{train: x}}\ntraining: {{learning_rate: {number}}}\n")
    assert load_config(path).training.learning_rate == 1e-3
    assert load_config(None, ["data.train=x", f"training.learning_rate={number}"]).training.learning_rate == 1e-3


def test_a_key_twice_is_refused_and_located(write: Any) -> None:
    path = write("data: {train: x}\ntraining: {epochs: 3}\ntraining: {batch_size: 3}\n")
    with pytest.raises(ConfigError, match=r"line 3, column 1: the key 'training' stands here for the second time$"):
        load_config(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfdata: {train: x}\n")
    assert load_config(path).data.train == "x"


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No config file at '.*none\.yaml'. Write one .* textclf init DATA --out"):
        load_config(tmp_path / "none.yaml")


def test_the_endings_of_data_are_those_of_the_readers() -> None:
    expected = {
        suffix + packed
        for entry in FORMATS.values()
        for suffix in entry.suffixes
        for packed in (("", ".gz") if entry.packed else ("",))
    }
    assert set(DATA_SUFFIXES) == expected


@pytest.mark.parametrize("name", ["my tickets.csv", "A.TSV", "a.jsonl.gz", "a.ndjson", "a.parquet", "a.txt"])
def test_data_instead_of_a_config_is_told_how_to_get_one(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("text,label\nlate: again,a\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / name)
    said, _, command = str(error.value).partition(" Write a config for it with: ")
    assert said == f"'{tmp_path / name}' looks like data, not a config."
    assert shlex.split(command) == ["textclf", "init", str(tmp_path / name)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: b: c", "line 1, column 5: mapping values are not allowed here"),
        (b"seed: 1\ndata:\n  train: [a\n", "line 4, column 1: while parsing a flow sequence, expected ',' or ']'"),
        (b"seed: 1\nname: \0", "line 2: the character '\\x00' cannot stand in YAML"),
    ],
)
def test_an_error_in_yaml_has_a_place(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value).startswith(f"'{path}' cannot be read as YAML: {words}")
    assert "<unicode string>" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1, 2]", "should hold a mapping .* but holds a list"),
        (b"hello", "but holds a str"),
        (b"a: [1", "cannot be read as YAML"),
        (b"\xff\xfe\x00", "cannot be read as YAML"),
        (b"a: 2020-13-45", "cannot be read as YAML: month must be in 1..12"),
        (b"a: !!python/object:os.system {}", "cannot be read as YAML"),
        (b"", "data: required, but missing"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_config(path)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_config(tmp_path)


def all_sections() -> list[type[Section]]:
    fields = [field.annotation for field in Config.model_fields.values()]
    sections = [field for field in fields if isinstance(field, type) and issubclass(field, Section)]
    return [Config, *sections, *(model_config_class(name) for name in MODELS)]


@pytest.mark.parametrize("section", all_sections(), ids=lambda section: section.__name__)
def test_every_section_and_field_is_described(section: type[Section]) -> None:
    assert section.__doc__
    for name, field in section.model_fields.items():
        assert field.description, f"{section.__name__}.{name} has no description"
        assert field.description.endswith((".", "…")), f"{section.__name__}.{name}"


def test_every_registered_model_calls_itself_as_it_is_registered() -> None:
    for name in MODELS:
        assert model_config_class(name)().name == name
    with pytest.raises(
        ConfigError, match=r"model: expected one of 'textcnn', 'bert', 'linear', got 'textcn'. Did you mean 'text"
    ):
        model_entry("textcn")
