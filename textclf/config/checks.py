"""What can be wrong with an option of how a file is written: the config and the readers ask the same."""

import io
from encodings.aliases import aliases

from textclf.errors import did_you_mean


def unknown_encoding(name: str) -> str:
    """Return words for an encoding that Python does not know or that makes no text of bytes; empty for others.

    Example:
        >>> unknown_encoding("gb18030")
        ''
    """
    if _makes_text(name):
        return ""
    known = {alias.replace("_", "-") for pair in aliases.items() for alias in pair} | {"windows-1252"}
    hint = did_you_mean(name, sorted(filter(_makes_text, known)))
    return f"expected the name of a character encoding such as utf-8, windows-1252 or gb18030, got '{name}'.{hint}"


def _makes_text(encoding: str) -> bool:
    try:
        # The one public call that refuses unknown names and bytes-to-bytes codecs such as hex alike.
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    except (LookupError, ValueError):
        return False
    return True


def wrong_delimiter(value: str) -> str:
    """Return words for what cannot stand between the fields of CSV and TSV; empty for what can.

    Example:
        >>> wrong_delimiter(";")
        ''
    """
    if len(value) == 1 and value not in '"\r\n\0':
        return ""
    return f"expected one character such as ';' or '|', neither a quote nor a line end, got {value!r}"
