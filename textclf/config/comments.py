"""A config as a file to read: every field with its description and unit above it."""

import textwrap
from collections.abc import Iterator

from textclf.config import notation
from textclf.config.run import Config
from textclf.config.section import Section

_WIDTH = 110


def comment_config(config: Config, title: str) -> str:
    r"""Return the resolved config as YAML with comments; `load_config` reads it back to an equal one.

    Args:
        config: What to write.
        title: First line, without `#`.

    Example:
        >>> text = comment_config(Config.make({"data": {"train": "messages.csv"}}), "A first try")
        >>> print("\n".join(text.splitlines()[:5]))
        # A first try
        <BLANKLINE>
        # Name of the classifier, of letters (A to Z), digits, `_`, `.` and `-`: its run directory and its folder
        # under saved_models/ are called so.
        name: classifier
    """
    return "\n".join([f"# {title}", "", *_lines(config, indent="")]) + "\n"


def _lines(section: Section, indent: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        comment = f"{indent}# "
        yield from textwrap.wrap(field.description or "", _WIDTH, initial_indent=comment, subsequent_indent=comment)
        if isinstance(value, Section):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
            yield ""
        else:
            yield f"{indent}{name}: {notation.dump_line(value)}"
