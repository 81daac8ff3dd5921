"""Character encodings: is a name known, and which one do bytes look like."""

import codecs
import re
from dataclasses import dataclass

from textclf.config.checks import unknown_encoding
from textclf.errors import DataError

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""In the order to try: UTF-32's little-endian mark begins with UTF-16's."""

SHARE_OF_CONTROLS = 0.05
"""More control characters than that are in no text. Of random bytes they are a tenth, of programs half."""
NO_TEXT_FILE = "does not look like a text file: it is full of control characters. Is it an archive or a program?"

_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Those below a space but white space, and the escape of the ISO-2022 encodings."""


@dataclass(frozen=True, slots=True)
class EncodingGuess:
    """An encoding and how far to trust it.

    Attributes:
        name: As Python names it.
        certainty: certain (a mark, or valid UTF-8 that is not plain ASCII), likely, or unsure.
    """

    name: str
    certainty: str


def check_encoding(name: str) -> None:
    """Raise `DataError` unless Python knows the encoding and it makes text of bytes."""
    if problem := unknown_encoding(name):
        raise DataError(f"data.encoding: {problem}")


def guess_encoding(sample: bytes) -> EncodingGuess:
    r"""Return the encoding that the first bytes of a file look like.

    Tried in order: byte order marks, UTF-8, UTF-16 without a mark, gb18030, windows-1252. Other
    encodings of one byte a character cannot be told from windows-1252, and are called so, unsure.

    Args:
        sample: Bytes from the beginning of the file; they may end inside a character.

    Example:
        >>> guess_encoding("价格很好".encode("gb18030"))
        EncodingGuess(name='gb18030', certainty='likely')
        >>> guess_encoding(b"caf\xe9 noir, tr\xe8s bon").name
        'windows-1252'
    """
    for mark, name in BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            return EncodingGuess(name, "certain")
    zeros_even, zeros_odd = sample[::2].count(0), sample[1::2].count(0)
    if zeros_even + zeros_odd > len(sample) // 5:
        return EncodingGuess("utf-16-le" if zeros_odd > zeros_even else "utf-16-be", "likely")
    if _decodes(sample, "utf-8"):
        return EncodingGuess("utf-8", "likely" if sample.isascii() else "certain")
    if _decodes(sample, "gb18030") and _share_of_paired_bytes(sample) > 0.8:
        return EncodingGuess("gb18030", "likely")
    if _decodes(sample, "windows-1252"):
        return EncodingGuess("windows-1252", "unsure")
    return EncodingGuess("latin-1", "unsure")


def is_binary(sample: bytes) -> bool:
    """Say whether the first bytes of a file are those of no text file, whatever its encoding.

    Example:
        >>> is_binary(bytes(range(64))), is_binary("a text".encode("utf-16-le"))
        (True, False)
    """
    text = sample.decode(guess_encoding(sample).name, "replace")
    return len(_CONTROLS.findall(text)) > SHARE_OF_CONTROLS * len(text)


def looks_like(sample: bytes, encoding: str) -> str:
    r"""Return words on the encoding that undecodable bytes look like; empty if it is the one that they were read in.

    Args:
        sample: Bytes of the file.
        encoding: What they were read in.

    Example:
        >>> looks_like(b"caf\xe9 noir", "utf-8")
        'It looks like windows-1252: try data.encoding=windows-1252.'
    """
    name = guess_encoding(sample).name
    if codecs.lookup(name) == codecs.lookup(encoding):
        return ""
    return f"It looks like {name}: try data.encoding={name}."


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _share_of_paired_bytes(sample: bytes) -> float:
    """Return which share of the characters beyond ASCII, read as gb18030, are two high bytes.

    Chinese text is nearly all of that kind. Western text read as gb18030 also decodes now and then,
    but there the accented letter pairs with the plain letter after it.
    """
    high, paired, index = 0, 0, 0
    while index < len(sample):
        if sample[index] < 0x80:
            index += 1
            continue
        high += 1
        paired += index + 1 < len(sample) and sample[index + 1] >= 0x80
        index += 2
    return paired / max(high, 1)
