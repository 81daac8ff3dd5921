"""Strings into token strings, as graph ops: the same code in `tf.data`, in eager code and in the export."""

from collections.abc import Iterator, Sequence

import tensorflow as tf
import tensorflow_text as tf_text

# Scripts written without spaces between words: each character is a token of its own.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}"
_OWN_TOKEN = rf"[{_UNSPACED}\p{{P}}\p{{S}}]"
# Separators and control characters (NUL, …). Zero-width ones are gone by then: case folding takes them out.
_BETWEEN_TOKENS = r"[\p{Z}\p{C}]+"


def normalize(texts: tf.Tensor) -> tf.Tensor:
    """Return the texts in Unicode NFKC with cases folded.

    Full-width letters become plain ones, `ß` becomes `ss`, and bytes that are no valid UTF-8 become
    U+FFFD, one a broken sequence, so that every byte string has a defined answer.

    Args:
        texts: string[...], UTF-8.

    Returns:
        string[...], the same shape.
    """
    valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace", replacement_char=0xFFFD)
    return tf_text.case_fold_utf8(tf_text.normalize_utf8(valid, "NFKC"))


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts into words, punctuation marks, symbols and single CJK characters.

    Args:
        texts: string[batch], UTF-8.

    Returns:
        Ragged string[batch, (tokens)].

    Example:
        >>> split_words(tf.constant(["I can't 登录 my APP!"])).to_list()[0][:4]
        [b'i', b'can', b"'", b't']
    """
    spaced = tf.strings.regex_replace(normalize(texts), _OWN_TOKEN, r" \0 ")
    return tf.strings.split(tf.strings.regex_replace(spaced, _BETWEEN_TOKENS, " "))


def split_characters(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts into characters (code points); white space and control characters are left out.

    Args:
        texts: string[batch], UTF-8.

    Returns:
        Ragged string[batch, (tokens)].

    Example:
        >>> split_characters(tf.constant(["Go 去"])).to_list()[0][:2]
        [b'g', b'o']
    """
    dense = tf.strings.regex_replace(normalize(texts), _BETWEEN_TOKENS, "")
    return tf.strings.unicode_split(dense, "UTF-8")


SPLITTERS = {"words": split_words, "characters": split_characters}

_TEXTS_AT_ONCE = 1024


def in_batches(texts: Sequence[str | bytes]) -> Iterator[tf.Tensor]:
    """Yield many texts as tensors that graph ops take at once, string[at most 1,024].

    No texts are one batch without rows, so that what is made of the batches has its shape in any case.
    """
    for start in range(0, max(len(texts), 1), _TEXTS_AT_ONCE):
        yield tf.constant(texts[start : start + _TEXTS_AT_ONCE], tf.string)
