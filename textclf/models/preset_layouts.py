"""What the small files of a preset say, in Hugging Face's layout and in keras-hub's."""

import json
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
    "dropout": "hidden_dropout_prob",
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
        return _taken(config.get("config", {}), dict(zip(_SIZES, _SIZES, strict=True)), path), "gelu_approximate"
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
    lowercase = bool(tokenizer.get("config", {}).get("lowercase", False))
    path = directory / "assets/tokenizer/vocabulary.txt"
    return Tokens(_read_vocabulary(path), lowercase, path)


def _hugging_face_backbone(config: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], str]:
    for key, expected in _FIXED.items():
        if config.get(key, expected) != expected:
            raise ConfigError(f"model.preset: expected {key} {expected!r} in '{path}', got {config[key]!r}.")
    activation = config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise ConfigError(
            f"model.preset: expected as hidden_act in '{path}' {listing(_ACTIVATIONS)}, got {activation!r}."
        )
    defaults = {"hidden_dropout_prob": 0.1, "type_vocab_size": 2}
    return _taken({**defaults, **config}, _SIZES, path), _ACTIVATIONS[activation]


def _taken(config: Mapping[str, Any], keys: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Return the values of a config's keys under our names."""
    missing = [key for key in keys.values() if key not in config]
    if missing:
        raise ConfigError(f"model.preset: '{path}' lacks {listing(missing)}.")
    return {name: config[key] for name, key in keys.items()}


def _hugging_face_tokens(directory: Path) -> Tokens:
    settings = _read_json(directory / "tokenizer_config.json", missing={})
    kind = settings.get("tokenizer_class", "BertTokenizer")
    if kind not in _BERT_TOKENIZERS + _GENERAL_TOKENIZERS:
        raise ConfigError(f"model.preset: expected a BertTokenizer in '{directory}', got {kind}.")
    path = directory / "tokenizer.json"
    pieces = _read_json(path, missing=None if kind in _GENERAL_TOKENIZERS else {})
    if pieces:
        _check_pieces(pieces, path)
    if kind in _GENERAL_TOKENIZERS:
        normalizer = pieces["normalizer"]
        settings = {
            "do_lower_case": normalizer.get("lowercase"),
            "strip_accents": normalizer.get("strip_accents"),
            "tokenize_chinese_chars": normalizer.get("handle_chinese_chars"),
        }
    lowercase = _lowercase(settings, directory)
    if pieces and not (directory / "vocab.txt").is_file():
        ids = pieces["model"].get("vocab", {})
        return Tokens(tuple(sorted(ids, key=ids.get)), lowercase, path)
    path = directory / "vocab.txt"
    return Tokens(_read_vocabulary(path), lowercase, path)


def _check_pieces(pieces: Mapping[str, Any], path: Path) -> None:
    for section, fixed in _FIXED_PIECES.items():
        # Files of the first releases do not name the model's type: what it has besides tells which it is.
        came = {"type": "WordPiece"} if section == "model" else {}
        came |= pieces.get(section) or {}
        for key, expected in fixed.items():
            if came.get(key) != expected:
                raise ConfigError(
                    f"model.preset: expected {section}.{key} {expected!r} in '{path}', as BERT's, got "
                    f"{came.get(key)!r}. Take another preset."
                )


def _lowercase(settings: Mapping[str, Any], directory: Path) -> bool:
    """Return whether texts are lower-cased, from the settings of Hugging Face's BertTokenizer and its defaults."""
    lowercase = bool(settings.get("do_lower_case", True))
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


def _read_json(path: Path, missing: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a file's object, or `missing`, if that is given and there is no file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if missing is not None:
            return missing
        raise ConfigError(f"model.preset: expected {path.name} in '{path.parent}', found none.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.preset: '{path}' cannot be read as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"model.preset: expected a JSON object in '{path}', got {type(content).__name__}.")
    return content
