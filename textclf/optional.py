"""Packages that only some sources, models and commands need."""

import importlib
from typing import Any

from textclf.errors import DataError


def import_optional(module: str, extra: str, purpose: str) -> Any:
    """Import a module that an extra of textclf installs.

    Args:
        module: Its dotted name.
        extra: The extra, as in `pip install "textclf[extra]"`.
        purpose: What it is needed for, as the subject of the error's first sentence.

    Raises:
        DataError: It is not installed; the message says how to.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(f'{purpose} needs `pip install "textclf[{extra}]"` ({error}).') from None
