"""What is read from the small files of a preset, and what is refused: all that ours would not do alike."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textclf.errors import ConfigError
from textclf.models.pretrained import find_pretrained

pytest.importorskip("keras_hub")

# Tokenizers


@pytest.mark.parametrize(
    ("settings", "pieces", "lowercase"),
    [
        ({"do_lower_case": False}, None, False),
        ({"do_lower_case": True, "tokenizer_class": "BertTokenizerFast", "strip_accents": True}, None, True),
        # What Hugging Face does: BertTokenizer lower-cases unless told not to, whatever tokenizer.json says …
        ({}, None, True),
        ({}, {"normalizer": {"lowercase": False}}, True),
        # … and the general classes do what tokenizer.json says.
        (
            {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True},
            {"normalizer": {"lowercase": False}},
            False,
        ),
        ({"tokenizer_class": "TokenizersBackend"}, {}, True),
    ],
)
def test_cases_are_treated_as_hugging_face_does(
    make_preset: Callable[..., str], settings: dict, pieces: dict | None, lowercase: bool
) -> None:
    assert find_pretrained(make_preset(tokenizer=settings, pieces=pieces)).lowercase is lowercase


# The first files of this kind did not name the model's type.
@pytest.mark.parametrize("pieces", [{}, {"model": {"type": None}}])
def test_the_vocabulary_may_stand_in_tokenizer_json_alone(
    make_preset: Callable[..., str], vocabulary: list[str], pieces: dict
) -> None:
    assert find_pretrained(make_preset(vocab__txt=None, pieces=pieces)).vocabulary == tuple(vocabulary)


def ids_of(tokens: list[str], first: int = 0) -> dict:
    return {"model": {"vocab": {token: number for number, token in enumerate(tokens, start=first)}}}


def test_the_general_classes_have_the_vocabulary_of_tokenizer_json(
    make_preset: Callable[..., str], vocabulary: list[str]
) -> None:
    other = [*vocabulary[:5], "other"]
    preset = make_preset(tokenizer={"tokenizer_class": "TokenizersBackend"}, pieces=ids_of(other))
    assert find_pretrained(preset).vocabulary == tuple(other)


def test_two_vocabularies_that_differ_are_refused(make_preset: Callable[..., str], vocabulary: list[str]) -> None:
    preset = make_preset(pieces=ids_of([*vocabulary[:5], "other", *vocabulary[6:]]))
    with pytest.raises(ConfigError, match=r"as id 5 'other' in '.*tokenizer.json' and 'go' in '.*vocab.txt'"):
        find_pretrained(preset)
    (Path(preset) / "vocab.txt").write_text("\n".join([*vocabulary[:5], "other"]), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"as id 6 '##ing' in '.*tokenizer.json' and nothing in '.*vocab.txt'"):
        find_pretrained(preset)


@pytest.mark.parametrize("ids", [{"[PAD]": 1, "[UNK]": 2}, {"[PAD]": 0, "[UNK]": 2}, {"[PAD]": 0, "[UNK]": 0}])
def test_ids_with_gaps_are_refused(make_preset: Callable[..., str], ids: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"expected as model.vocab in .*tokenizer.json' tokens with the ids 0 to 1, "):
        find_pretrained(make_preset(vocab__txt=None, pieces={"model": {"vocab": ids}}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_lower_case": "no"}, "expected do_lower_case true or false in .*, got 'no'"),
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "expected a BertTokenizer .* got BertJapaneseTokenizer"),
        ({"do_lower_case": True, "strip_accents": False}, "strip_accents False with do_lower_case True"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars off"),
    ],
)
def test_settings_that_ours_would_not_equal_are_refused(
    make_preset: Callable[..., str], settings: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        find_pretrained(make_preset(tokenizer=settings))


@pytest.mark.parametrize("kind", ["BertTokenizer", "TokenizersBackend"])
@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("normalizer", "type", "Sequence", "BertNormalizer"),
        ("normalizer", "clean_text", False, True),
        ("pre_tokenizer", "type", "Whitespace", "BertPreTokenizer"),
        ("model", "type", "Unigram", "WordPiece"),
        ("model", "unk_token", "<unk>", "[UNK]"),
        ("model", "continuing_subword_prefix", "@@", "##"),
        ("model", "max_input_chars_per_word", 200, 100),
    ],
)
def test_pieces_that_ours_would_not_equal_are_refused(
    make_preset: Callable[..., str], kind: str, section: str, key: str, value: object, expected: object
) -> None:
    preset = make_preset(tokenizer={"tokenizer_class": kind}, pieces={section: {key: value}})
    with pytest.raises(ConfigError) as raised:
        find_pretrained(preset)
    said = f"expected {section}.{key} {expected!r} in '{preset}/tokenizer.json', as BERT's, got {value!r}"
    assert str(raised.value).startswith(f"model.preset: {said}")


@pytest.mark.parametrize("section", ["normalizer", "pre_tokenizer"])
def test_pieces_without_a_part_are_refused(make_preset: Callable[..., str], section: str) -> None:
    with pytest.raises(ConfigError, match=f"expected {section}.type .*tokenizer.json', as BERT's, got None"):
        find_pretrained(make_preset(pieces={section: None}))


def test_a_keras_hub_tokenizer_of_another_kind_is_refused(keras_directory: Path, tmp_path: Path) -> None:
    for path in keras_directory.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.json").write_text('{"class_name": "XLMRobertaTokenizer"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected class_name 'BertTokenizer' .* got 'XLMRobertaTokenizer'"):
        find_pretrained(str(tmp_path))


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ("go\n[PAD]\n", r"starts with '\[PAD\]', got 'go' there"),
        ("[PAD]\ngo\n", r"found no '\[UNK\]', '\[CLS\]', '\[SEP\]'"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\ngo\ngo\n", "found 'go' more often"),
    ],
)
def test_a_vocabulary_that_is_no_berts_is_refused_by_its_file(
    make_preset: Callable[..., str], vocabulary: str, message: str
) -> None:
    preset = make_preset(vocab__txt=vocabulary)
    with pytest.raises(ConfigError, match=message) as raised:
        find_pretrained(preset)
    assert f"model.preset: the vocabulary '{preset}/vocab.txt' is not BERT's" in str(raised.value)
    assert "Take another preset" in str(raised.value)


# Configs


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "roberta"}, "expected model_type 'bert' in .*config.json', got 'roberta'"),
        ({"position_embedding_type": "relative_key"}, "expected position_embedding_type 'absolute'"),
        ({"layer_norm_eps": 1e-5}, "expected layer_norm_eps 1e-12 in .* got 1e-05"),
        ({"quantization_config": {"bits": 4}}, "expected quantization_config None"),
        ({"hidden_act": "silu"}, "expected as hidden_act in .* 'gelu', .* got 'silu'"),
        ({"hidden_act": ["gelu"]}, r"expected as hidden_act in .* got \['gelu'\]"),
        ({"vocab_size": "12"}, "expected as vocab_size in .*config.json' a whole number of at least 1, got '12'"),
        ({"num_hidden_layers": 0}, "expected as num_hidden_layers in .* at least 1, got 0"),
        ({"type_vocab_size": True}, "expected as type_vocab_size in .* at least 1, got True"),
        ({"num_attention_heads": 3}, "expected heads that share the width evenly in .*, got 3 for a width of 8"),
        ({"vocab_size": 9}, "has 10 tokens, but the weights, by config.json, only 9"),
    ],
)
def test_a_config_that_the_backbone_cannot_hold_is_refused(
    make_preset: Callable[..., str], config: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        find_pretrained(make_preset(config))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config__json": None}, "expected config.json in .*hugging_face', found none"),
        ({"config__json": "{"}, "config.json' cannot be read as JSON"),
        ({"config__json": []}, "expected a JSON object in .*config.json', got list"),
        ({"config__json": {"model_type": "bert"}}, "lacks 'vocab_size', 'num_hidden_layers'"),
        ({"config__json": {"class_name": "RobertaBackbone"}}, "class_name 'BertBackbone' .* got .* 'RobertaBackbone'"),
        ({"vocab__txt": None}, "expected vocab.txt in .*hugging_face', found none: the tokenizer's files"),
    ],
)
def test_damaged_files_are_named(make_preset: Callable[..., str], files: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_pretrained(make_preset(**files))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 40) | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=5), inside, max_size=2),
    max_leaves=4,
)


def mutate(content: Any, draw: Callable[[st.SearchStrategy], Any]) -> Any:
    """Return JSON with one of its values, at any depth, replaced or taken out."""
    if not isinstance(content, dict) or not content or draw(st.integers(0, 4)) == 0:
        return draw(JSON)
    key = draw(st.sampled_from(sorted(content)))
    rest = {name: value for name, value in content.items() if name != key}
    return rest if draw(st.integers(0, 4)) == 0 else {**rest, key: mutate(content[key], draw)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
@pytest.mark.parametrize("layout", ["keras", "BertTokenizer", "TokenizersBackend"])
def test_whatever_the_files_say_is_read_or_refused(
    make_preset: Callable[..., str], keras_directory: Path, tmp_path: Path, layout: str, data: st.DataObject
) -> None:
    directory = tmp_path / ("keras" if layout == "keras" else "hugging_face")
    if not directory.is_dir():
        if layout == "keras":
            shutil.copytree(keras_directory, directory)
        else:
            make_preset(tokenizer={"tokenizer_class": layout}, pieces={})
        for name in ("config.json", "tokenizer.json"):
            (directory / name).rename(directory / f"whole_{name}")
    changed = data.draw(st.sampled_from(["config.json", "tokenizer.json"]))
    for name in ("config.json", "tokenizer.json"):
        content = json.loads((directory / f"whole_{name}").read_text(encoding="utf-8"))
        content = mutate(content, data.draw) if name == changed else content
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    with contextlib.suppress(ConfigError):
        find_pretrained(str(directory))


@pytest.mark.parametrize("kind", ["BertTokenizer", "TokenizersBackend"])
def test_an_empty_tokenizer_json_is_refused(make_preset: Callable[..., str], kind: str) -> None:
    with pytest.raises(ConfigError, match=r"expected normalizer.type 'BertNormalizer' in .*tokenizer.json'"):
        find_pretrained(make_preset(tokenizer={"tokenizer_class": kind}, tokenizer__json={}))


@pytest.mark.parametrize("section", ["normalizer", "model", "model.vocab"])
def test_sections_that_are_no_objects_are_named(make_preset: Callable[..., str], section: str) -> None:
    path = Path(make_preset(pieces={})) / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    *parents, name = section.split(".")
    (content[parents[0]] if parents else content)[name] = ["go"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"expected {section} in .*tokenizer.json' to be an object, got list"):
        find_pretrained(str(path.parent))
