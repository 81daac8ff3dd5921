"""fastText's format: `__label__positive the text`."""

import re
from collections.abc import Iterator
from pathlib import Path

from textclf.config import DataConfig
from textclf.data import problems
from textclf.data.examples import BadRow, Row
from textclf.data.files import open_text
from textclf.data.readers.rows import checked

PREFIX = "__label__"
# fastText's own word separators, but for NUL; other white space, such as U+3000, can be in a label.
LINE = re.compile(rf"[ \t\v\f\r]*{PREFIX}([^ \t\v\f\r]*)(?:[ \t\v\f\r](.*))?", re.DOTALL)


def read_fasttext(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of a file in fastText's format; lines with nothing on them are no rows.

    The label comes first, one separator after it is left out, and the rest is the text as it stands.

    Args:
        source: Path of the file.
        config: `encoding` counts.

    Raises:
        DataError: The file cannot be read.
    """
    with open_text(Path(source), config.encoding) as file:
        for number, line in enumerate(file, start=1):
            content = line.removesuffix("\n").removesuffix("\r")
            if content:
                yield _row(content, source, number)


def _row(content: str, source: str, number: int) -> Row:
    match = LINE.fullmatch(content)
    if match is None:
        return BadRow(source, number, problems.NO_LABEL, f"expected {PREFIX}NAME before the text")
    label, text = match[1], match[2] or ""
    if text.lstrip(" \t\v\f\r").startswith(PREFIX):
        return BadRow(source, number, problems.SEVERAL_LABELS, f"after '{label}' comes another {PREFIX}")
    return checked(text, label, source, number)
