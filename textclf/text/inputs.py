"""What callers may hand over as texts, and how it becomes what the graph takes."""

from collections.abc import Iterable


def as_rows(
    texts: Iterable[str | bytes], pairs: Iterable[str | bytes] | None, takes_pairs: bool, first: int = 0
) -> tuple[list[bytes], list[bytes] | None]:
    """Return the texts and, of pairs, the second texts as the UTF-8 that the tokenizer reads.

    Args:
        texts: The texts.
        pairs: The second text of each row, if rows are pairs.
        takes_pairs: Whether the classifier was trained on pairs (`data.pair_column`).
        first: As in `as_bytes`.

    Raises:
        TypeError: Pairs are missing, or come where single texts are asked for; or as `as_bytes`.
        ValueError: There are not as many second texts as texts.

    Example:
        >>> as_rows(["a", "b"], ["c", "d"], takes_pairs=True)
        ([b'a', b'b'], [b'c', b'd'])
    """
    if takes_pairs and pairs is None:
        raise TypeError(
            "pairs: expected the second text of each row, since the classifier was trained on pairs of texts."
        )
    if pairs is None:
        return as_bytes(texts, first), None
    if not takes_pairs:
        raise TypeError(
            "pairs: expected none, since the classifier was trained on single texts (data.pair_column=null)."
        )
    rows, seconds = as_bytes(texts, first), as_bytes(pairs, first, "pairs")
    if len(rows) != len(seconds):
        raise ValueError(f"pairs: expected a second text for each of the {len(rows)} texts, got {len(seconds)}.")
    return rows, seconds


def as_bytes(texts: Iterable[str | bytes], first: int = 0, name: str = "texts") -> list[bytes]:
    r"""Return texts as the UTF-8 that the tokenizer reads.

    Bytes stay as they are. What is no UTF-8 in them, and half a surrogate pair in a string, is read as U+FFFD
    by the tokenizer.

    Args:
        texts: The texts.
        first: Position of the first one for the caller, who may hand them over in parts.
        name: What a message calls them.

    Raises:
        TypeError: It is one string instead of many, or something in it is no string.

    Example:
        >>> as_bytes(["Hi", b"\xff"])
        [b'Hi', b'\xff']
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        one = f"one {type(texts).__name__}"
        raise TypeError(f"{name}: expected a list or another iterable of strings, got {one}. Put it in a list: [text].")
    return [_as_bytes(text, position, name) for position, text in enumerate(texts, start=first)]


def _as_bytes(text: str | bytes, position: int, name: str) -> bytes:
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if isinstance(text, bytes):
        return text
    raise TypeError(f"{name}: expected strings, got {type(text).__name__} at position {position}: {text!r:.60}.")
