"""A config as a file to read: every field with its description and unit above it."""

import textwrap
from collections.abc import Iterator

from textclf.config import notation
from textclf.config.run import Config
from textclf.config.section import Section

_WIDTH = 110
_ALWAYS = ("name", "train")
"""Fields that are no comment even if they have their default: without them, nobody knows what the file is of."""


def comment_config(config: Config, title: str) -> str:
    r"""Return the config as YAML with comments; `load_config` reads it back to an equal one.

    What is as it would be anyway is a comment too, `#` right before its name: who changes the model then gets the
    other model's defaults, and not this one's.

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
    # The training's defaults follow from the model's options, so these are no defaults here.
    bare = Config.make({"data": {"train": config.data.train}, "model": config.model})
    return "\n".join([f"# {title}", "", *_lines(config, bare, indent="")]) + "\n"


def _lines(section: Section, bare: Section, indent: str) -> Iterator[str]:
    """Yield the lines of a section.

    Args:
        section: What to write.
        bare: The same with all defaults.
        indent: What each line starts with.
    """
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        comment = f"{indent}# "
        yield from textwrap.wrap(field.description or "", _WIDTH, initial_indent=comment, subsequent_indent=comment)
        if isinstance(value, Section):
            yield f"{indent}{name}:"
            yield from _lines(value, type(value)() if name == "model" else getattr(bare, name), indent + "  ")
            yield ""
        else:
            as_ever = value == getattr(bare, name) and name not in _ALWAYS
            yield f"{indent}{'#' if as_ever else ''}{name}: {notation.dump_line(value)}"
