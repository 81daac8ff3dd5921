"""JSON lines: an object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textclf.config import DataConfig
from textclf.data import problems
from textclf.data.examples import BadRow, Row
from textclf.data.files import open_text
from textclf.data.readers.rows import checked, find_column
from textclf.errors import did_you_mean, listing


def read_jsonl(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield the rows of a file with a JSON object a line; lines with nothing on them are no rows.

    Labels may be strings, whole numbers or true/false.

    Args:
        source: Path of the file.
        config: The columns and `encoding` count.

    Raises:
        DataError: The file cannot be read, or no object has one of the fields.
    """
    wanted = config.columns
    missing = dict.fromkeys(wanted, 0)
    objects = 0
    names: list[str] = []
    with open_text(Path(source), config.encoding) as file:
        for line, value in json_objects(file):
            if isinstance(value, str):
                yield BadRow(source, line, problems.NOT_JSON, value)
                continue
            objects += 1
            absent = [option for option, name in wanted.items() if name not in value]
            if absent:
                names = names or list(value)
                for option in absent:
                    missing[option] += 1
                yield BadRow(source, line, problems.MISSING_FIELD, missing_field(wanted[absent[0]], value))
                continue
            text, label, *pair = (value[name] for name in wanted.values())
            yield checked(text, label, source, line, *pair)
    for option, name in wanted.items():
        if objects and missing[option] == objects:
            find_column(name, names, source, option)


def json_objects(lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the number and the object of each line that is not blank; a string says what is wrong instead."""
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, f"{error.msg} at column {error.colno}"
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists …
            yield number, f"{error}"
        else:
            yield number, value if isinstance(value, dict) else f"expected an object {{…}}, got {line.strip()[:20]!r}"


def missing_field(name: str, value: dict[str, Any]) -> str:
    """Return the detail of an object that lacks a field."""
    return f"no '{name}', but {listing(value) or 'nothing'}.{did_you_mean(name, value)}"
