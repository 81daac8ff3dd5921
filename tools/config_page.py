"""Print docs/config.md: every field of the config, from the classes that check it.

    python tools/config_page.py > docs/config.md

A test holds that the page in the repository is what this prints.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textclf.config import (
    CheckpointsConfig,
    ComputeConfig,
    Config,
    DataConfig,
    Section,
    TextConfig,
    TrainingConfig,
    load_config,
)
from textclf.config.models import MODELS, model_config_class
from textclf.config.notation import dump_line
from textclf.errors import ConfigError

TEMPLATE = Path(__file__).with_suffix(".md")
WRONG = ["training.epoch=5", "training.batch_size=many", "model.max_ngram=3", "data.dev=2"]
"""Overrides with a mistake each, for the page's example of an error."""


def main() -> None:
    """Print the page in UTF-8, whatever the terminal's encoding."""
    sys.stdout.buffer.write(page().encode())


def page() -> str:
    """Return the page as Markdown."""
    tables = [
        _section("The run", "", Config),
        _section("`data`", "data", DataConfig),
        *(_section(f"`model: {name}`", "model", model_config_class(name)) for name in MODELS),
        _section("`text`", "text", TextConfig),
        _section("`training`", "training", TrainingConfig),
        _section("`compute`", "compute", ComputeConfig),
        _section("`checkpoints`", "checkpoints", CheckpointsConfig),
    ]
    parts = {"command": " ".join(f"--set {text}" for text in WRONG), "error": _error(), "tables": "\n\n".join(tables)}
    return TEMPLATE.read_text(encoding="utf-8").format(**parts)


def _error() -> str:
    """Return what a config with several mistakes is answered."""
    try:
        load_config(None, ["data.train=messages.csv", *WRONG])
    except ConfigError as error:
        return f"Error: {error}"
    raise RuntimeError("expected the example of an error to be one")


def _section(title: str, path: str, section: type[Section]) -> str:
    """Return the heading and the table of one part of the config."""
    lines = [f"## {title}", "", _sentence(section), "", "| field | type | default | |", "|---|---|---|---|"]
    return "\n".join([*lines, *_rows(path, section)])


def _sentence(section: type[Section]) -> str:
    """Return the first paragraph of the class's docstring, which is its first line."""
    return (section.__doc__ or "").strip().partition("\n")[0]


def _rows(path: str, section: type[Section]) -> Iterator[str]:
    properties = section.model_json_schema()["properties"]
    for name, field in section.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        kind = "mapping, see below" if is_section else _kind(properties[name])
        if field.is_required():
            default = "required"
        elif is_section:
            default = "`textcnn`" if name == "model" else ""
        else:
            default = f"`{dump_line(field.get_default(call_default_factory=True))}`"
        cells = [f"`{path}.{name}`" if path else f"`{name}`", kind, default, field.description or ""]
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def _kind(schema: dict[str, Any]) -> str:
    """Return what a field takes, in words, of its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        *first, last = (f"`{choice}`" for choice in schema["enum"])
        return f"{', '.join(first)} or {last}"
    if schema["type"] == "array":
        return f"list of {_kind(schema['items']).replace('number', 'numbers', 1).replace('string', 'strings', 1)}"
    if schema["type"] == "object":
        return f"mapping of names to {_kind(schema['additionalProperties']).replace('number', 'numbers', 1)}"
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "string",
        "boolean": "true or false",
        "null": "null",
    }
    limits = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
    }
    said = [phrase.format(f"{schema[key]:,.10g}") for key, phrase in limits.items() if key in schema]
    return ", ".join([words.get(schema["type"], schema["type"]), *said])


if __name__ == "__main__":
    main()
