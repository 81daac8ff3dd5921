"""Character encodings: is a name known, and which one do bytes look like."""

import codecs
import re
import unicodedata
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
"""More control characters than that are in no text that is read in its own encoding.

Of random bytes they are a tenth, of programs half; but text read in a wrong encoding may be full of them too.
"""
NO_TEXT_FILE = (
    "does not look like a text file: it is full of control characters. Is it an archive or a program, "
    "or is it UTF-16? Name it with data.encoding."
)

SHARE_OF_ODD = 0.01
"""More controls, private and unassigned characters than that are in no text that is taken for UTF-16."""

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
    is_utf_8 = _decodes(sample, "utf-8")
    if 0 in sample and (not is_utf_8 or is_binary(sample, "utf-8")):  # Russian in UTF-16 is valid UTF-8 by chance
        for name in ("utf-16-le", "utf-16-be"):
            if _is_utf_16(sample, name):
                return EncodingGuess(name, "likely")
    if is_utf_8:
        return EncodingGuess("utf-8", "likely" if sample.isascii() else "certain")
    if _decodes(sample, "gb18030") and _share_of_paired_bytes(sample) > 0.8:
        return EncodingGuess("gb18030", "likely")
    if _decodes(sample, "windows-1252"):
        return EncodingGuess("windows-1252", "unsure")
    return EncodingGuess("latin-1", "unsure")


def sample_text(sample: bytes, encoding: str) -> str:
    """Return the text with U+FFFD for what cannot be decoded; nothing if the codec is one that only knows errors."""
    try:
        return sample.decode(encoding, "replace")
    except UnicodeError:
        return ""


def is_binary(sample: bytes, encoding: str | None = None) -> bool:
    """Say whether the first bytes of a file are full of control characters.

    Args:
        sample: Bytes from the beginning of the file.
        encoding: What to read them in; if None, what they look like.

    Example:
        >>> is_binary(bytes(range(64))), is_binary("a text".encode("utf-16-le"))
        (True, False)
    """
    text = sample_text(sample, encoding or guess_encoding(sample).name)
    return len(_CONTROLS.findall(text)) > SHARE_OF_CONTROLS * len(text)


def encoding_hint(sample: bytes, encoding: str) -> str:
    r"""Return what to do about bytes that cannot be decoded.

    Another encoding is named only if it can be told: who reads a whole file in a wrong one, for the sake of
    one damaged byte, gets no error any more, but garbled text.

    Args:
        sample: Bytes of the file.
        encoding: What they were read in, as it was asked for.

    Example:
        >>> encoding_hint("价格很好".encode("gb18030"), "utf-8")
        'It looks like gb18030: try data.encoding=gb18030.'
        >>> encoding_hint("价格很好".encode() + b"\xff", "utf-8")
        'It may be damaged there, or be in another encoding: then name it with data.encoding.'
    """
    found = guess_encoding(sample)
    is_other = codecs.lookup(found.name) != codecs.lookup(encoding)
    is_told = found.certainty == "certain" or (found.certainty == "likely" and not _mostly_decodes(sample, encoding))
    if is_other and is_told:
        return f"It looks like {found.name}: try data.encoding={found.name}."
    return "It may be damaged there, or be in another encoding: then name it with data.encoding."


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_decodes(sample: bytes, encoding: str) -> bool:
    """Say whether more of the characters beyond ASCII can be decoded than cannot."""
    beyond = [character for character in sample_text(sample, encoding) if not character.isascii()]
    return 2 * beyond.count("\ufffd") < len(beyond)


def _is_utf_16(sample: bytes, encoding: str) -> bool:
    """Say whether bytes are lines of characters that Unicode knows, and hardly any controls.

    Bytes of another kind, taken two by two, hit halves of surrogate pairs and numbers that stand for nothing.
    """
    if not _decodes(sample, encoding):
        return False
    text = sample_text(sample, encoding)
    odd = sum(unicodedata.category(character) in ("Cc", "Cn", "Co") and not character.isspace() for character in text)
    return "\n" in text and odd <= SHARE_OF_ODD * len(text)


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
