"""BERT's clean-up of characters, as the table that TensorFlow Text's `FastBertNormalizer` reads.

The table that comes with the op also folds compatibility characters (`！` to `!`, `①` to `1`, `ß` to `ss`) and puts
spaces where BERT takes control characters out. A published vocabulary would get other ids than its model was trained
with, Chinese punctuation always. The op takes any table from characters to strings; this one is BERT's own rule, and
costs no time when it runs.
"""

import functools
import sys
import unicodedata

import flatbuffers
import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

# What broken UTF-8 is read as; it is taken out, so that no clean text holds it.
IN_NO_TEXT = "\ufffd"
_REMOVED = ("Cc", "Cf", "Co")
_SURROGATES = range(0xD800, 0xE000)

# How the op packs a value: a bit for "differs from the character", the string's place in a pool, its length.
_DIFFERS, _LENGTH_BITS = 1 << 30, 6
# How its trie packs a unit: the byte that leads to it, whether it has a value, and where its children are.
_HAS_VALUE, _CHILDREN_BITS, _IS_VALUE = 1 << 8, 10, 1 << 31


class WordPieceNormalizer(tf.Module):
    r"""Cleans texts as BERT does before it splits them, as graph ops.

    Example:
        >>> WordPieceNormalizer(lowercase=True)(tf.constant(["Café！\u200b"])).numpy()[0].decode()
        'cafe！'
    """

    def __init__(self, *, lowercase: bool) -> None:
        """Build the table of all characters."""
        super().__init__(name="normalizer")
        self._normalizer = tf_text.FastBertNormalizer(model_buffer=normalizer_model(lowercase=lowercase))

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Return the texts cleaned, string[batch], valid UTF-8 whatever came.

        Args:
            texts: string[batch], UTF-8; invalid bytes are read as U+FFFD, which BERT takes out.
        """
        # A scalar would end the process, inside the op: the shape is held here.
        texts = tf.ensure_shape(texts, [None])
        valid = tf.strings.unicode_transcode(
            texts, "UTF-8", "UTF-8", errors="replace", replacement_char=ord(IN_NO_TEXT)
        )
        return self._normalizer.normalize(valid)


def clean(character: str, *, lowercase: bool) -> str:
    r"""Return what BERT makes of one character, as in `BasicTokenizer` of https://github.com/google-research/bert.

    Control, format and private use characters and U+FFFD are taken out; with `lowercase`, accents (NFD without
    `Mn`) and cases too. White space stays, to be split at.

    Example:
        >>> [clean(character, lowercase=True) for character in "É！\u200b"]
        ['e', '！', '']
    """
    if character in "\t\n\r":
        return character
    if character == IN_NO_TEXT or unicodedata.category(character) in _REMOVED:
        return ""
    if not lowercase:
        return character
    pieces = unicodedata.normalize("NFD", character)
    return "".join(piece for piece in pieces if unicodedata.category(piece) != "Mn").lower()


@functools.cache
def normalizer_model(*, lowercase: bool) -> bytes:
    """Return BERT's rule as the flatbuffer that `tensorflow_text.FastBertNormalizer` takes as `model_buffer`."""
    pool, places = bytearray(), {"": 0}
    values = {}
    for character in (chr(code) for code in range(sys.maxunicode + 1) if code not in _SURROGATES):
        new = clean(character, lowercase=lowercase)
        if new == character:
            continue
        if new not in places:
            places[new] = len(pool)
            pool += new.encode()
        values[character.encode()] = _DIFFERS | places[new] << _LENGTH_BITS | len(new.encode())
    zero = values.pop(b"\0")  # stands beside the trie, which cannot hold it

    builder = flatbuffers.Builder(0)
    trie_at = builder.CreateNumpyVector(_trie(values))
    pool_at = builder.CreateByteVector(bytes(pool))
    builder.StartObject(4)  # the fields of fast_bert_normalizer_model.fbs, in its order
    builder.PrependBoolSlot(0, lowercase, False)
    builder.PrependUOffsetTRelativeSlot(1, trie_at, 0)
    builder.PrependInt32Slot(2, zero, 0)
    builder.PrependUOffsetTRelativeSlot(3, pool_at, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def _trie(values: dict[bytes, int]) -> np.ndarray:
    """Return a trie of characters in UTF-8 as a double array, uint32[units], in Darts-clone's layout.

    A node's child is the unit at `base ^ byte`, its value the unit at `base`; the unit of the node holds
    `base ^ its own place` (https://github.com/s-yata/darts-clone). The root is unit 0 with base 0. A continuation
    byte is one of 64, so that each further node takes a block of 64 units, and equal nodes share one.
    """
    tree: dict = {}
    for character, value in values.items():
        *path, last = character
        node = tree
        for byte in path:
            node = node.setdefault(byte, {})
        node[last] = value
    distinct = sorted(set(values.values()))
    bases: dict = {value: 256 + place for place, value in enumerate(distinct)}
    units = [0] * 256 + [value | _IS_VALUE for value in distinct]
    units += [0] * (-len(units) % 256)  # no base of a block is one of a value

    def fill(start: int, first_byte: int, node: dict) -> None:
        for byte, child in node.items():
            place = start + byte - first_byte
            has_value = 0 if isinstance(child, dict) else _HAS_VALUE
            units[place] = byte | has_value | (base_of(child) ^ place) << _CHILDREN_BITS

    def base_of(child: dict | int) -> int:
        if isinstance(child, int):
            return bases[child]
        key = repr(child)
        if key not in bases:
            start = len(units)
            bases[key] = start ^ 0x80
            units.extend([0] * 64)
            fill(start, 0x80, child)
        return bases[key]

    fill(0, 0, tree)
    return np.array(units, np.uint32)
