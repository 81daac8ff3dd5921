"""What callers may hand over as texts, and how it becomes what the graph takes."""

from collections.abc import Iterable


def as_bytes(texts: Iterable[str | bytes], first: int = 0) -> list[bytes]:
    r"""Return texts as the UTF-8 that the tokenizer reads.

    Bytes stay as they are. What is no UTF-8 in them, and half a surrogate pair in a string, is read as U+FFFD
    by the tokenizer.

    Args:
        texts: The texts.
        first: Position of the first one for the caller, who may hand them over in parts.

    Raises:
        TypeError: It is one string instead of many, or something in it is no string.

    Example:
        >>> as_bytes(["Hi", b"\xff"])
        [b'Hi', b'\xff']
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        one = f"one {type(texts).__name__}"
        raise TypeError(f"texts: expected a list or another iterable of strings, got {one}. Put it in a list: [text].")
    return [_as_bytes(text, position) for position, text in enumerate(texts, start=first)]


def _as_bytes(text: str | bytes, position: int) -> bytes:
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if isinstance(text, bytes):
        return text
    raise TypeError(f"texts: expected strings, got {type(text).__name__} at position {position}: {text!r:.60}.")
