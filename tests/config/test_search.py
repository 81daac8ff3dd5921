"""What a search tries: domains as they are written, the models' own, and words for what cannot be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.config import Config, LinearConfig, ModelOptions
from textclf.config.domains import Choices, Range, parse_domain
from textclf.config.models import MODELS
from textclf.config.search import search_space, value_at, with_values
from textclf.errors import ConfigError

BERTS: list[Any] = [
    {"name": "bert"},
    {"name": "bert", "preset": "minilm"},
    {"name": "bert", "preset": "minilm", "lora_rank": 8},
    {"name": "bert", "preset": "minilm", "encoder": "frozen"},
    {"name": "bert", "preset": "minilm", "freeze_layers": 2, "long_texts": "windows"},
]

NUMBERS = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9, allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def make(model: Any = "textcnn", **sections: Any) -> Config:
    return Config.make({"data": {"train": "a.csv"}, "model": model, **sections})


@given(NUMBERS, NUMBERS, st.booleans())
def test_a_range_reads_back_what_it_writes(one: float, other: float, log: bool) -> None:
    low, high = sorted((one, other))
    if low < high and (low > 0 or not log):
        domain = Range(low, high, log)
        assert parse_domain(str(domain)) == domain
        assert low in domain and high in domain and high + 1 not in domain


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_choices_read_back_what_they_write(values: list[Any]) -> None:
    once = parse_domain(str(Choices(tuple(values))))
    assert isinstance(once, Choices)
    assert once.names == list(dict.fromkeys(Choices(tuple(values)).names))
    assert parse_domain(str(once)) == once
    assert all(value in once for value in values)


@given(st.text(max_size=30))
def test_any_text_is_a_domain_or_an_error_with_words(text: str) -> None:
    try:
        parse_domain(text)
    except ValueError as error:
        assert str(error).startswith("expected ")


def test_what_people_write() -> None:
    assert parse_domain("1e-5..1e-3:log") == Range(1e-5, 1e-3, log=True)
    assert parse_domain(" 2..8 ") == Range(2, 8) and Range(2, 8).whole and not Range(2.0, 8.0).whole
    assert parse_domain("-.5...5") == Range(-0.5, 0.5)
    assert parse_domain("0.1,0.3,0.5") == Choices((0.1, 0.3, 0.5))
    assert parse_domain("../a,../b") == Choices(("../a", "../b"))
    assert parse_domain("null, balanced, null") == Choices((None, "balanced"))
    assert True in Choices((False, True)) and 1 not in Choices((False, True)) and True not in Range(0, 1)


@pytest.mark.parametrize("model", [*MODELS, *BERTS], ids=str)
def test_every_model_takes_all_of_its_own_space(model: Any) -> None:
    config = make(model)
    space = search_space(config)
    assert space
    for end in (0, -1):
        values = {name: domain.samples[end] for name, domain in space.items()}
        changed = with_values(config, values)
        assert {name: value_at(changed, name) for name in values} == values
        assert not changed.model.doubts(changed)


def test_pretrained_vectors_have_a_width_of_their_own() -> None:
    vectors = {"name": "textcnn", "vectors": "v.txt", "vectors_mode": "static"}
    assert "model.embedding_dim" in search_space(make())
    assert "model.embedding_dim" not in search_space(make(vectors))


def test_what_the_user_names_takes_the_place_of_the_models_own() -> None:
    space = search_space(make("linear"), ["model.max_ngram=1..2", "text.tokens=words,characters", "model.max_ngram=3"])
    assert str(space["model.max_ngram"]) == "3"
    assert str(space["text.tokens"]) == "words, characters"
    assert str(space["model.min_count"]) == "1..3"


def test_whole_ends_are_real_ones_where_the_field_is() -> None:
    space = search_space(make("linear"), ["model.inverse_regularization=1..100", "model.max_iterations=1..100"])
    assert space["model.inverse_regularization"] == Range(1.0, 100.0)
    assert not Range(1.0, 100.0).whole
    assert space["model.max_iterations"] == Range(1, 100) and space["model.max_iterations"].whole


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training.learing_rate=1..2", "Did you mean 'training.learning_rate'?"),
        ("learning_rate=1..2", "Did you mean 'training.learning_rate'?"),
        ("training.dropout=0.1..0.2", "with model=textcnn. Did you mean 'model.dropout'?"),
        ("model.max_ngram=1..2", "--search model.max_ngram: there is no such field with model=textcnn."),
        ("data.dev=0.1..0.2", "expected a field of model, text or training that is not model.name or training.monitor"),
        ("training.monitor=accuracy", "expected a field of model, text or training that is not"),
        ("model.dropout=0.5..1.5", "does not take 1.5. The config has 1 problem:\n  model.dropout: expected a"),
        ("training.epochs=1.5..3", "training.epochs: expected an integer, got 1.5"),
        ("training.schedule=linear,cosin", "Did you mean 'cosine'?"),
        ("model.dropout=0.5..0.1", "expected the lower end first and another one after it, got 0.5..0.1."),
        ("model.dropout=0..0.3:log", "expected a range that begins above 0 for ':log', got 0..0.3:log."),
        ("model.dropout=a..b", "expected a number at both ends of a range, got 'a'."),
        ("model.dropout=0.1..nan", "expected a number at both ends of a range, got 'nan'."),
        ("model.dropout=0.1..0.3:lgo", "expected ':log' or nothing after the range, got ':lgo'."),
        ("model.dropout=", "model.dropout: expected a range such as 0.1..0.5 or choices such as 16,32, got ''."),
        ("model.dropout", "--search: expected FIELD=LOW..HIGH[:log] or FIELD=CHOICE,CHOICE such as"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_said(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        search_space(make(), [text])
    assert words in str(caught.value)


def test_what_counts_nothing_is_not_searched() -> None:
    with pytest.raises(
        ConfigError, match=r"--search training\.epochs: it counts nothing for this model, which a solver"
    ):
        search_space(make("linear"), ["training.epochs=1..2"])
    with pytest.raises(ConfigError, match="hidden_dim=8 counts only without a preset"):
        search_space(make(BERTS[1]), ["model.hidden_dim=8,16"])
    words = r"--search text\.min_count: it counts nothing for this model: BERT has word pieces"
    with pytest.raises(ConfigError, match=words):
        search_space(make("bert"), ["text.min_count=1..2"])


def test_a_model_without_a_space_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LinearConfig, "search_space", ModelOptions.search_space)
    with pytest.raises(ConfigError, match="The model linear names no fields to search"):
        search_space(make("linear"))
    assert list(search_space(make("linear"), ["model.min_count=1..2"])) == ["model.min_count"]


def test_values_go_on_top_of_the_config_and_nothing_else_changes() -> None:
    config = make("linear", seed=7)
    changed = with_values(config, {"model.min_count": 3, "text.max_tokens": 9})
    assert (changed.model.min_count, changed.text.max_tokens) == (3, 9)  # type: ignore[attr-defined]
    assert with_values(changed, {"model.min_count": 1, "text.max_tokens": 200}) == with_values(config, {}) == config
    assert not changed.training.model_fields_set
