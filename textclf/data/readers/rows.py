"""From the values of a row to an `Example` or a `BadRow`: the same checks for every format."""

from collections.abc import Sequence

from textclf.data import problems
from textclf.data.examples import BadRow, Example, Row
from textclf.errors import DataError, did_you_mean, listing

_TEXTS = (("text", problems.NO_TEXT), ("second text", problems.NO_PAIR))
"""What the texts of a row are called, and the problem of a row without one."""


def checked(text: object, label: object, source: str, line: int, *pair: object) -> Row:
    """Return an example, or what is wrong with it.

    Args:
        text: Must be a string with something in it besides white space.
        label: The same, or a whole number or a truth value, which become `7` and `true`.
        source: As in `Example`.
        line: As in `Example`.
        pair: The second text, if rows are pairs: the same as the text.

    Example:
        >>> checked("fine", True, "a.jsonl", 1)
        Example(text='fine', label='true', source='a.jsonl', line=1, pair=None)
        >>> checked(" ", "pos", "a.jsonl", 2)
        BadRow(source='a.jsonl', line=2, problem='no text', detail='')
        >>> checked("fine", "no", "a.jsonl", 3, "not fine").pair
        'not fine'
    """
    texts: list[str] = []
    for value, (called, missing) in zip((text, *pair), _TEXTS, strict=False):
        if value is not None and not isinstance(value, str):
            detail = f"the {called} should be a string, but is {_kind(value)}"
            return BadRow(source, line, problems.WRONG_TYPE, detail)
        if not value or value.isspace():
            return BadRow(source, line, missing)
        texts.append(value)
    name = label_name(label)
    if name is None:
        detail = f"the label should be a string, a whole number or true/false, but is {_kind(label)}"
        return BadRow(source, line, problems.WRONG_TYPE, detail)
    if not name or name.isspace():
        return BadRow(source, line, problems.NO_LABEL)
    all_of_it = "".join([*texts, name])
    if "\0" in all_of_it:
        return BadRow(source, line, problems.NUL)
    if not _is_unicode(all_of_it):
        return BadRow(source, line, problems.NOT_UNICODE, "half a surrogate pair")
    return Example(texts[0], name, source, line, *texts[1:])


def label_name(label: object) -> str | None:
    """Return a label's name, empty for none; None if a value of this type cannot be a label."""
    if isinstance(label, str):
        return label
    if label is None:
        return ""
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(label) if isinstance(label, int) else None


def find_column(name: str, names: Sequence[str], source: str, option: str, hint: str = "") -> int:
    """Return the index of a column.

    Args:
        name: The column that is wanted.
        names: The columns there are.
        source: Where, for the error.
        option: The option that names the column, for the error.
        hint: One more sentence for the error.

    Raises:
        DataError: It is missing, or stands there twice.
    """
    if name not in names:
        # A config's values lose the white space around them, which a header may have.
        names = [each.strip() for each in names]
    if name not in names:
        raise DataError(
            f"'{source}' has no column '{name}'; it has {listing(names) or 'none'}.{did_you_mean(name, names)} "
            f"Name the right one with {option}.{hint}"
        )
    if names.count(name) > 1:
        raise DataError(f"'{source}' has {names.count(name)} columns '{name}'. Rename all but one.")
    return names.index(name)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    """Return what a value is, in the words of JSON."""
    words = {float: "a number", bool: "true/false", int: "a whole number", list: "a list", dict: "an object"}
    return words.get(type(value), type(value).__name__)
