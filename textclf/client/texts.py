"""What callers may hand over as texts, as the rows of requests."""

from collections.abc import Iterable

from textclf.client.steps import Row


def rows_of(texts: Iterable[str | bytes], text_pairs: Iterable[str | bytes] | None = None) -> list[Row]:
    r"""Return texts, and the second text of each if they are pairs, as UTF-8.

    Half a surrogate pair, and bytes that are no UTF-8, are kept for the server's tokenizer, which reads U+FFFD.

    Raises:
        TypeError: It is one string instead of many, or something in it is no string.
        ValueError: There are not as many second texts as texts.

    Example:
        >>> rows_of(["Hi", b"\xff"])
        [(b'Hi',), (b'\xff',)]
        >>> rows_of(["a"], ["b"])
        [(b'a', b'b')]
    """
    columns = [_as_bytes(texts, "texts")]
    if text_pairs is not None:
        columns.append(_as_bytes(text_pairs, "text_pairs"))
        if len(columns[0]) != len(columns[1]):
            counts = f"each of the {len(columns[0])} texts, got {len(columns[1])}"
            raise ValueError(f"text_pairs: expected a second text for {counts}.")
    return list(zip(*columns, strict=True))


def _as_bytes(texts: Iterable[str | bytes], name: str) -> list[bytes]:
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        one = f"one {type(texts).__name__}"
        raise TypeError(f"{name}: expected a list or another iterable of strings, got {one}. Put it in a list: [text].")
    column = []
    for position, text in enumerate(texts):
        if not isinstance(text, str | bytes):
            kind = type(text).__name__
            raise TypeError(f"{name}: expected strings, got {kind} at position {position}: {text!r:.60}.")
        column.append(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return column
