"""What a BERT reads: the tokenizer that its options and its preset ask for."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from textclf.config import Config
from textclf.config.bert import BertConfig
from textclf.errors import ConfigError
from textclf.models.pretrained import find_pretrained
from textclf.text.vocabulary import UNKNOWN
from textclf.text.wordpiece import WordPieceTokenizer

logger = logging.getLogger(__name__)

LONGEST_NEW = 512
"""Positions of an encoder that has no preset."""
_SHARE_UNKNOWN = 0.05
_TEXTS_TRIED = 1000
_WIDE = 768  # BERT base


def make_tokenizer(config: Config, texts: Sequence[str]) -> WordPieceTokenizer:
    """Return the preset's tokenizer, or one whose word pieces are learnt from the training texts.

    Args:
        config: The run.
        texts: The training texts.

    Raises:
        ConfigError: The preset cannot be found, the texts give no vocabulary, or rows are longer than the encoder can
            read.
    """
    options = cast(BertConfig, config.model)
    if options.preset is None:
        check_length(options, config.text.max_tokens, LONGEST_NEW)
        size, lowercase = options.vocabulary_size, options.lowercase
        return WordPieceTokenizer.learn(texts, vocabulary_size=size, lowercase=lowercase, **_cut(config))
    found = find_pretrained(options.preset)
    check_length(options, config.text.max_tokens, found.backbone["max_sequence_length"])
    tokenizer = WordPieceTokenizer(found.vocabulary, lowercase=found.lowercase, **_cut(config))
    _warn_of_unknown(tokenizer, texts, options.preset)
    _warn_of_rate(config, found.backbone["hidden_dim"])
    return tokenizer


def load_tokenizer(directory: Path, config: Config) -> WordPieceTokenizer:
    """Return the tokenizer that was saved into a run's directory; the preset is not asked for again."""
    return WordPieceTokenizer.load(directory, **_cut(config))


def check_length(options: BertConfig, max_tokens: int, longest: int) -> None:
    """Refuse rows, or windows of them, that are longer than an encoder has positions."""
    if options.long_texts == "windows":
        name, length, way_out = "model.window", options.window, "Lower it."
    else:
        name, length = "text.max_tokens", max_tokens
        way_out = "Lower it, or read long texts in windows (model.long_texts=windows), which pairs are not."
    if length > longest:
        raise ConfigError(
            f"{name}: expected at most {longest}, which is what this BERT can read at once, got {length}. {way_out}"
        )


def _cut(config: Config) -> dict[str, Any]:
    """Return how long a row of ids is and what stays of a longer one; windows are cut from it in the model."""
    options = cast(BertConfig, config.model)
    return {
        "max_tokens": config.text.max_tokens,
        "keep": "head" if options.long_texts == "windows" else options.long_texts,
    }


def _warn_of_unknown(tokenizer: WordPieceTokenizer, texts: Sequence[str], preset: str) -> None:
    """Say so if the preset's vocabulary does not fit the texts: the wrong language is seen by this."""
    # From all over the file, which may be sorted by language or label.
    tried = texts[:: max(len(texts) // _TEXTS_TRIED, 1)]
    ids = tokenizer.encode(tried).flat_values.numpy()
    share = float(np.mean(ids == tokenizer.vocabulary.index(UNKNOWN))) if len(ids) else 0.0
    if share > _SHARE_UNKNOWN:
        logger.warning(
            "%.0f %% of the tokens of the training texts are not in the vocabulary of '%s'. Take a preset of the "
            "texts' language.",
            100 * share,
            preset if "://" in preset else Path(preset).name,
        )


def _warn_of_rate(config: Config, hidden_dim: int) -> None:
    """Say so if a wide encoder would be trained with the default rate: only here are both of them known."""
    options = cast(BertConfig, config.model)
    if hidden_dim < _WIDE or options.lora_rank or not options.learns_in_steps:
        return
    rate = config.training.learning_rate
    if rate == options.defaults()["training"]["learning_rate"]:
        logger.warning(
            "training.learning_rate is %s, the default, which suits small encoders such as minilm's. '%s' is %d wide: "
            "from 2e-5 to 5e-5 is usual for a BERT of base size, such as --set training.learning_rate=3e-5.",
            rate,
            options.preset,
            hidden_dim,
        )
