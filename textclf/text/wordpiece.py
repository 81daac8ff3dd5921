"""Word pieces, what BERT reads, as graph ops."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from textclf.errors import ConfigError, RunError, listing
from textclf.text.pairs import cut_pair
from textclf.text.splitting import in_batches
from textclf.text.tokenizer import VOCABULARY_FILE, WORDPIECE_FILE, Tokenizer
from textclf.text.vocabulary import UNKNOWN, read_run_file, save_vocabulary
from textclf.text.wordpiece_normalizer import IN_NO_TEXT, WordPieceNormalizer
from textclf.text.wordpiece_vocabulary import CLS, LONGEST_WORD, SEP, check_wordpieces, learn_wordpieces

KEEP = ("head", "head+tail")

# The op counts bytes where BERT counts characters. Three bytes a character suit Thai, Korean and Devanagari; ASCII
# words, which would pass with three times the characters, are put down as unknown before it by their own rule.
_LONGEST_WORD_BYTES = 3 * LONGEST_WORD
_TOO_LONG = rf"[0-9A-Za-z]{{{LONGEST_WORD + 1},}}"


class WordPieceTokenizer(Tokenizer):
    """Splits texts into word pieces (https://arxiv.org/abs/1609.08144) between `[CLS]` and `[SEP]`, as BERT reads them.

    Ids equal those of Hugging Face's `BertTokenizer` with the same vocabulary, invalid UTF-8 included (it is read as
    U+FFFD, which BERT takes out), except:

    - A special token written out in a text, such as `[SEP]`, is text like any other: nobody can put one in.
    - Characters newer than Unicode 8: Hugging Face's tables are of 2015. Newer accents are stripped here and newer
      punctuation is split; letters newer than Python's Unicode keep their case.
    - U+2B820 to U+2B91F, rare Chinese characters, are words of their own as in BERT's own code; a slip of the pen in
      Hugging Face's table leaves them out.
    - A word of more than 100 characters is `[UNK]` in both if it is ASCII or takes more than 300 bytes; others of
      101 to 150 characters, and words of 76 to 100 characters of four bytes (emoji), differ.
    - Marks that are no accents but move in NFD (old Hangul's tones, music) keep their order: the op's table looks at
      one character at a time.

    Attributes:
        vocabulary: The tokens in the order of their ids.
        max_tokens: Longest output, in tokens, with `[CLS]` and `[SEP]`.
        lowercase: Whether cases and accents are taken out, as for an uncased BERT.
        keep: Which end of a text that is too long stays: `head`, or `head+tail`, a quarter of the room from the head
            and the rest from the tail (https://arxiv.org/abs/1905.05583).
        cls_id: Id of `[CLS]`.
        sep_id: Id of `[SEP]`.

    Example:
        >>> vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "go", "##ing", "去", "[", "]"]
        >>> tokenizer = WordPieceTokenizer(vocabulary, lowercase=True, max_tokens=8)
        >>> tokenizer(tf.constant(["Going 去", "[SEP]"])).numpy().tolist()
        [[2, 4, 5, 6, 3], [2, 7, 1, 8, 3]]
        >>> tokenizer(tf.constant(["go"]), pairs=tf.constant(["去"])).numpy().tolist()
        [[2, 4, 3, 6, 3]]
    """

    def __init__(self, vocabulary: Sequence[str], *, lowercase: bool, max_tokens: int, keep: str = "head") -> None:
        """Build the tokenizer of a vocabulary.

        Raises:
            ConfigError: The vocabulary is no BERT's, or `max_tokens` or `keep` is out of range.
        """
        super().__init__(name="tokenizer")
        check_wordpieces(vocabulary)
        if keep not in KEEP:
            raise ConfigError(f"keep: expected one of {listing(KEEP)}, got '{keep}'.")
        if max_tokens < 3:
            raise ConfigError(
                f"text.max_tokens: expected at least 3, room for {CLS}, {SEP} and a token, got {max_tokens}."
            )
        self.vocabulary = tuple(vocabulary)
        self.max_tokens = max_tokens
        self.lowercase = lowercase
        self.keep = keep
        self.cls_id = self.vocabulary.index(CLS)
        self.sep_id = self.vocabulary.index(SEP)
        self._normalize = WordPieceNormalizer(lowercase=lowercase)
        self._split = _splitter(self.vocabulary)

    @classmethod
    def learn(
        cls, texts: Sequence[str], *, vocabulary_size: int, lowercase: bool, max_tokens: int, keep: str = "head"
    ) -> "WordPieceTokenizer":
        """Return a tokenizer with the word pieces of the training texts; `ConfigError` if there are none."""
        vocabulary = learn_wordpieces(texts, vocabulary_size=vocabulary_size, lowercase=lowercase)
        return cls(vocabulary, lowercase=lowercase, max_tokens=max_tokens, keep=keep)

    @classmethod
    def load(cls, directory: Path, *, max_tokens: int, keep: str = "head") -> "WordPieceTokenizer":
        """Read the tokenizer that `save` wrote into a directory; `RunError` if a file is missing or damaged."""
        vocabulary = read_run_file(directory / VOCABULARY_FILE, "vocabulary").split("\n")[:-1]
        try:
            check_wordpieces(vocabulary)
        except ConfigError as error:
            raise RunError(f"The vocabulary '{directory / VOCABULARY_FILE}' is damaged. {error}") from None
        lowercase = _read_lowercase(directory / WORDPIECE_FILE)
        return cls(vocabulary, lowercase=lowercase, max_tokens=max_tokens, keep=keep)

    def save(self, directory: Path) -> None:
        """Write the vocabulary and whether it is lower case into a directory."""
        save_vocabulary(self.vocabulary, directory / VOCABULARY_FILE)
        settings = json.dumps({"lowercase": self.lowercase})
        (directory / WORDPIECE_FILE).write_text(f"{settings}\n", encoding="utf-8", newline="\n")

    def ragged(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> tf.RaggedTensor:
        """Return unpadded ids, ragged int32[batch, (time)]: `[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]` for pairs.

        What is longer than `max_tokens` is cut; of a pair, as `cut_pair` does it.

        Args:
            texts: string[batch], UTF-8; invalid bytes are read as U+FFFD.
            pairs: string[batch], the second text of each pair, if there is one.

        Raises:
            ValueError: Pairs came, and `keep` is not `head`.
        """
        if pairs is not None and self.keep != "head":
            raise ValueError(f"Pairs are cut at their ends: expected keep='head' with them, got '{self.keep}'.")
        first = self._pieces(texts)
        cls, sep = (tf.fill([first.nrows(), 1], token) for token in (self.cls_id, self.sep_id))
        if pairs is None:
            return tf.concat([cls, *self._cut(first), sep], axis=1)
        first, second = cut_pair(first, self._pieces(pairs), self.max_tokens - 3)
        return tf.concat([cls, first, sep, second, sep], axis=1)

    def lengths(self, texts: Sequence[str | bytes]) -> np.ndarray:
        """Return how many tokens each text has before it is cut, `[CLS]` and `[SEP]` counted; int64[texts]."""
        return np.concatenate([self._pieces(batch).row_lengths().numpy() + 2 for batch in in_batches(texts)])

    def _pieces(self, texts: tf.Tensor) -> tf.RaggedTensor:
        clean = tf.strings.regex_replace(self._normalize(texts), _TOO_LONG, IN_NO_TEXT)
        return self._split.tokenize(clean)

    # Slices of ragged tensors, not the trimmer ops of TensorFlow Text: servers before 2.20 do not have those.

    def _cut(self, pieces: tf.RaggedTensor) -> list[tf.RaggedTensor]:
        room = self.max_tokens - 2
        if self.keep == "head":
            return [pieces[:, :room]]
        head = (room + 2) // 4  # 128 of 510, as in the paper
        rest = pieces[:, head:]
        return [pieces[:, :head], rest[:, head - room :]]


def _splitter(vocabulary: Sequence[str]) -> tf_text.FastWordpieceTokenizer:
    # The op would find a token with white space across two words. In brackets it is one that no text gets.
    out_of_reach = re.compile(rf"[\s{IN_NO_TEXT}]")
    reachable = [f"[{token}]" if out_of_reach.search(token) else token for token in vocabulary]
    try:
        return tf_text.FastWordpieceTokenizer(
            reachable,
            max_bytes_per_word=_LONGEST_WORD_BYTES,
            token_out_type=tf.int32,
            unknown_token=UNKNOWN,
        )
    except RuntimeError as error:
        raise ConfigError(f"Expected word pieces beside the vocabulary's special tokens: {error}") from None


def _read_lowercase(path: Path) -> bool:
    text = read_run_file(path, "tokenizer's settings")
    try:
        lowercase = json.loads(text)["lowercase"]
    except (ValueError, TypeError, KeyError):
        lowercase = None
    if not isinstance(lowercase, bool):
        raise RunError(f"Expected '{path}' to hold {{\"lowercase\": true}} or false, got: {text[:80]!r}.")
    return lowercase
