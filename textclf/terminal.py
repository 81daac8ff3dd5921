"""Text on a terminal, where a Chinese character takes two columns: how wide it is, and tables of it."""

import unicodedata
from collections.abc import Sequence


def display_width(text: str) -> int:
    """Return how many columns a text takes: two for a Chinese character, none for an accent on its own.

    Example:
        >>> display_width("sport"), display_width("体育 ok")
        (5, 7)
    """
    if text.isascii():
        return len(text)
    return sum(character_width(character) for character in text)


def character_width(character: str) -> int:
    """Return how many columns a character takes: 0, 1 or 2."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of equally many cells as lines: the first column to the left, the others to the right.

    Example:
        >>> aligned([["label", "rows"], ["体育", "12"]])
        ['label  rows', '体育     12']
    """
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [_padded(cell, width, index > 0) for index, (cell, width) in enumerate(zip(row, widths, strict=True))]
    return "  ".join(cells).rstrip()


def _padded(cell: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - display_width(cell))
    return space + cell if to_the_right else cell + space
