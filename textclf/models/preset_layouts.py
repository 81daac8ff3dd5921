"""What the small files of a preset say, in Hugging Face's layout and in keras-hub's."""

import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from textclf.errors import ConfigError, listing


class Tokens(NamedTuple):
    """What a tokenizer is made of.

    Attributes:
        vocabulary: The word pieces in the order of their ids.
        lowercase: Whether texts are lower-cased and lose their accents.
        path: The file that has the vocabulary.
    """

    vocabulary: tuple[str, ...]
    lowercase: bool
    path: Path


# keras-hub's names of a backbone's arguments, and Hugging Face's.
_SIZES = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}
# What keras-hub's backbone always is, which is also what Hugging Face means where it is left out.
_FIXED: dict[str, Any] = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "layer_norm_eps": 1e-12,
    "is_decoder": False,
    "add_cross_attention": False,
    "quantization_config": None,
}
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
}
# The classes that obey tokenizer_config.json, and those that obey tokenizer.json.
_BERT_TOKENIZERS = ("BertTokenizer", "BertTokenizerFast")
_GENERAL_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")
# What our tokenizer always does, by section and key of tokenizer.json. Releases of Hugging Face differ in whether
# BertTokenizer obeys these.
_FIXED_PIECES: dict[str, dict[str, Any]] = {
    "normalizer": {"type": "BertNormalizer", "clean_text": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    },
}
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def read_backbone(directory: Path) -> tuple[dict[str, Any], str]:
    """Return the arguments of keras-hub's `BertBackbone`, and the activation that its weights were trained with.

    Raises:
        ConfigError: It is no BERT, or one with parts that this backbone does not have.
    """
    path = directory / "config.json"
    config = _read_json(path)
    if "model_type" in config:
        return _hugging_face_backbone(config, path)
    if config.get("class_name") == "BertBackbone":
        # Its weights come from the first BERT, which had this activation, as keras-hub's backbone has.
        arguments = _object(config, "config", path)
        return _taken(arguments, dict(zip(_SIZES, _SIZES, strict=True)), path), "gelu_approximate"
    raise ConfigError(
        f"model.preset: expected in '{path}' model_type 'bert' (Hugging Face) or class_name "
        f"'BertBackbone' (keras-hub), got class_name {config.get('class_name')!r}."
    )


def read_tokens(directory: Path) -> Tokens:
    """Return what the tokenizer is made of.

    Raises:
        ConfigError: The tokenizer is not BERT's WordPiece.
    """
    if "model_type" in _read_json(directory / "config.json"):
        return _hugging_face_tokens(directory)
    path = directory / "tokenizer.json"
    tokenizer = _read_json(path)
    if tokenizer.get("class_name") != "BertTokenizer":
        raise ConfigError(
            f"model.preset: expected class_name 'BertTokenizer' in '{path}', got {tokenizer.get('class_name')!r}."
        )
    lowercase = _switch(_object(tokenizer, "config", path), "lowercase", False, path)
    path = directory / "assets/tokenizer/vocabulary.txt"
    return Tokens(_read_vocabulary(path), lowercase, path)


def _hugging_face_backbone(config: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], str]:
    for key, expected in _FIXED.items():
        if config.get(key, expected) != expected:
            raise ConfigError(f"model.preset: expected {key} {expected!r} in '{path}', got {config[key]!r}.")
    activation = config.get("hidden_act", "gelu")
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise ConfigError(
            f"model.preset: expected as hidden_act in '{path}' {listing(_ACTIVATIONS)}, got {activation!r}."
        )
    return _taken({"type_vocab_size": 2, **config}, _SIZES, path), _ACTIVATIONS[activation]


def _taken(config: Mapping[str, Any], keys: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Return the sizes that stand under a config's keys, under our names."""
    missing = [key for key in keys.values() if key not in config]
    if missing:
        raise ConfigError(f"model.preset: '{path}' lacks {listing(missing)}.")
    sizes = {name: config[key] for name, key in keys.items()}
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ConfigError(
                f"model.preset: expected as {keys[name]} in '{path}' a whole number of at least 1, got {size!r}."
            )
    if sizes["hidden_dim"] % sizes["num_heads"]:
        raise ConfigError(
            f"model.preset: expected heads that share the width evenly in '{path}', got {sizes['num_heads']} for a "
            f"width of {sizes['hidden_dim']}."
        )
    return sizes


def _hugging_face_tokens(directory: Path) -> Tokens:
    path = directory / "tokenizer_config.json"
    settings = _read_json(path) if path.is_file() else {}
    kind = settings.get("tokenizer_class", "BertTokenizer")
    if kind not in _BERT_TOKENIZERS + _GENERAL_TOKENIZERS:
        raise ConfigError(f"model.preset: expected a BertTokenizer in '{directory}', got {kind}.")
    path, lines = directory / "tokenizer.json", directory / "vocab.txt"
    if kind in _BERT_TOKENIZERS and not path.is_file():
        return Tokens(_read_vocabulary(lines), _lowercase(settings, directory), lines)
    pieces = _read_json(path)
    _check_pieces(pieces, path)
    vocabulary = _vocabulary_of_ids(_object(_object(pieces, "model", path), "vocab", path, "model."), path)
    if kind in _BERT_TOKENIZERS:
        if lines.is_file():
            _check_equal(vocabulary, path, _read_vocabulary(lines), lines)
        return Tokens(vocabulary, _lowercase(settings, directory), path)
    normalizer = _object(pieces, "normalizer", path)
    settings = {
        "do_lower_case": normalizer.get("lowercase"),
        "strip_accents": normalizer.get("strip_accents"),
        "tokenize_chinese_chars": normalizer.get("handle_chinese_chars"),
    }
    return Tokens(vocabulary, _lowercase(settings, directory), path)


def _vocabulary_of_ids(ids: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return the tokens in the order of their ids, each of which must be there once."""
    if {type(number) for number in ids.values()} != {int} or set(ids.values()) != set(range(len(ids))):
        raise ConfigError(
            f"model.preset: expected as model.vocab in '{path}' tokens with the ids 0 to {len(ids) - 1}, each once. "
            "Take another preset."
        )
    broken = [token for token in ids if _HALF_A_CHARACTER.search(token)]  # which JSON can hold, and UTF-8 cannot
    if broken:
        raise ConfigError(f"model.preset: expected tokens of whole characters in '{path}', got {broken[0]!r}.")
    return tuple(sorted(ids, key=ids.__getitem__))


def _check_equal(tokens: tuple[str, ...], path: Path, others: tuple[str, ...], other_path: Path) -> None:
    """Refuse two vocabularies of a BertTokenizer that differ."""
    pairs = itertools.zip_longest(*([*map(repr, each)] for each in (tokens, others)), fillvalue="nothing")
    for number, (token, other) in enumerate(pairs):
        if token != other:
            raise ConfigError(
                f"model.preset: expected one vocabulary, got as id {number} {token} in '{path}' and {other} in "
                f"'{other_path}'. Releases of Hugging Face differ in which of them a BertTokenizer obeys: take a copy "
                "of the folder without the one that the weights were not trained with."
            )


def _check_pieces(pieces: Mapping[str, Any], path: Path) -> None:
    for section, fixed in _FIXED_PIECES.items():
        # Files of the first releases do not name the model's type: what it has besides tells which it is.
        came = {"type": "WordPiece"} if section == "model" else {}
        if pieces.get(section) is not None:
            came |= _object(pieces, section, path)
        for key, expected in fixed.items():
            if came.get(key) != expected:
                raise ConfigError(
                    f"model.preset: expected {section}.{key} {expected!r} in '{path}', as BERT's, got "
                    f"{came.get(key)!r}. Take another preset."
                )


def _lowercase(settings: Mapping[str, Any], directory: Path) -> bool:
    """Return whether texts are lower-cased, from the settings of Hugging Face's BertTokenizer and its defaults."""
    lowercase = _switch(settings, "do_lower_case", True, directory)
    accents = settings.get("strip_accents")
    if accents is not None and accents != lowercase:
        raise ConfigError(
            f"model.preset: the tokenizer in '{directory}' has strip_accents {accents} with do_lower_case {lowercase}; "
            "expected both alike: here accents go with the cases."
        )
    if not settings.get("tokenize_chinese_chars", True):
        raise ConfigError(
            f"model.preset: the tokenizer in '{directory}' has tokenize_chinese_chars off; here each Chinese "
            "character is always a token of its own."
        )
    return lowercase


def _read_vocabulary(path: Path) -> tuple[str, ...]:
    """Return a file's lines; a token may itself be one of Unicode's line separators."""
    try:
        return tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except FileNotFoundError:
        raise ConfigError(
            f"model.preset: expected {path.name} in '{path.parent}', found none: "
            "the tokenizer's files belong beside the weights."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"model.preset: the vocabulary '{path}' cannot be read as UTF-8 ({error}).") from error


def _object(content: Mapping[str, Any], key: str, path: Path, prefix: str = "") -> dict[str, Any]:
    """Return the object under a key of a file, an empty one if there is none."""
    found = content.get(key, {})
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise ConfigError(f"model.preset: expected {prefix}{key} in '{path}' to be an object, got {kind}.")
    return found


def _switch(content: Mapping[str, Any], key: str, default: bool, path: Path) -> bool:
    """Return what is true or false under a key."""
    found = content.get(key, default)
    if not isinstance(found, bool):
        raise ConfigError(f"model.preset: expected {key} true or false in '{path}', got {found!r}.")
    return found


def _read_json(path: Path) -> dict[str, Any]:
    """Return a file's object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"model.preset: expected {path.name} in '{path.parent}', found none.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"model.preset: '{path}' cannot be read as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"model.preset: expected a JSON object in '{path}', got {type(content).__name__}.")
    return content
