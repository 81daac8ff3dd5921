"""Tables for a terminal."""

from collections.abc import Sequence

from textclf.terminal import display_width


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
