"""Is what a delimited file begins with a table, with texts and labels in columns that have names?"""

import contextlib

from textclf.data.columns import choose_columns, is_header
from textclf.data.dialect import Dialect
from textclf.errors import DataError, listing


def whole_rows(found: Dialect, source: str, pair_column: str | None = None) -> list[list[str]]:
    """Return the rows that have as many fields as most.

    Args:
        found: The file's first rows.
        source: What errors call it.
        pair_column: As in `guess`.

    Raises:
        DataError: They are no table with a label to each text, or something stands above it.
    """
    if not found.rows:
        raise DataError(f"'{source}' holds no rows.")
    first = found.rows[0]
    if found.width == 1:
        raise DataError(f"'{source}' has a single column, {first[0][:60]!r}; expected texts and labels.")
    if len(first) != found.width:
        raise DataError(
            f"'{source}' begins with a line of {len(first)} field{'' if len(first) == 1 else 's'}, "
            f"{listing(field[:60] for field in first)}, but most of its lines have {found.width}. "
            "Expected a name for each column: mend that line, or take it out."
        )
    rows = [row for row in found.rows if len(row) == found.width]
    if len(rows) == 1:
        raise DataError(
            f"'{source}' holds a single line of fields, {listing(first)}: a header and no rows. Expected rows of a "
            "text and a label below it."
        )
    if titles := _titles(rows, source, pair_column):
        raise DataError(
            f"'{source}' begins with {titles} line{'' if titles == 1 else 's'} above the names of its columns, "
            f"{listing(rows[titles])}. Take what is above them out."
        )
    return rows


def _titles(rows: list[list[str]], source: str, pair_column: str | None) -> int:
    """Return how many lines stand above a line of names, as a spreadsheet has its title: in one field of many."""
    titles = next((number for number, row in enumerate(rows) if sum(map(bool, map(str.strip, row))) > 1), 0)
    if not titles or len(rows) - titles < 2:
        return 0
    names, *others = rows[titles:]
    columns = [list(column) for column in zip(*others, strict=True)]
    with contextlib.suppress(DataError):
        text, label = choose_columns(names, columns, source, pair_column)
        is_named, certainty = is_header(names, text, label, columns[label])
        # A first row of two columns may as well lack its label.
        if is_named and all(names) and (certainty == "certain" or len(names) > 2):
            return titles
    return 0
