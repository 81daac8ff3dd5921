"""The errors that textclf raises on purpose.

Each one says three things: what was expected, what came, and what to do next. They are part of the
interface: the command line prints the message without a traceback, and tests pin the wording.
"""

import difflib
import errno
import os
from collections.abc import Iterable

_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)


class TextclfError(Exception):
    """The base of every error that a user can cause and mend.

    Attributes:
        exit_code: What a command that it ends gives to the shell.
    """

    exit_code = 1


class ConfigError(TextclfError):
    """A run's config holds an unknown key, a wrong type or a value out of range."""


class DataError(TextclfError):
    """A source cannot be read, or what it holds cannot be learnt from."""


class RunError(TextclfError):
    """A run directory is missing, incomplete, or in the way of a new one."""


class ExportError(TextclfError):
    """An export cannot be written or read."""


def refusal(error: Exception) -> str:
    """Return why the file system refused something, without the inside of the library that was refused.

    Example:
        >>> refusal(RuntimeError("{{node SaveV2}} variables/x: No space left on device [Op:SaveV2]"))
        'No space left on device'
        >>> refusal(OSError("a reason of its own"))
        'a reason of its own'
    """
    said = getattr(error, "strerror", None) or str(error)
    return next((plain for plain in map(os.strerror, _REFUSALS) if plain in said), said)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the nearest of the known names, or an empty string.

    Args:
        name: What the user wrote.
        known: The names that would have been right.

    Example:
        >>> did_you_mean("epoch", ["epochs", "seed"])
        " Did you mean 'epochs'?"
        >>> did_you_mean("zzz", ["epochs"])
        ''
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.65)
    return f" Did you mean '{near[0]}'?" if near else ""


def listing(names: Iterable[str], most: int = 12) -> str:
    """Return names in quotes, in order, cut after `most` with the number left out.

    Example:
        >>> listing(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    all_names = list(names)
    shown = ", ".join(f"'{name}'" for name in all_names[:most])
    left_out = len(all_names) - most
    return f"{shown} and {left_out} more" if left_out > 0 else shown
