"""Configs as YAML: read with overrides from the command line, and written back resolved."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textclf.config import notation
from textclf.config.run import Config
from textclf.errors import ConfigError


def load_config(path: str | Path | None, overrides: Iterable[str] = ()) -> Config:
    """Read a config file, put the overrides on top and check the whole.

    Paths inside a config are relative to the current directory, as on any command line.

    Args:
        path: YAML file; None starts from the defaults, so that the overrides must say what has none.
        overrides: Strings `dotted.key=value`, the value in YAML: `training.epochs=5`,
            `model.filter_sizes=[2,3]`, `data.test=null`.

    Raises:
        ConfigError: The file is missing or no YAML mapping, an override has no `=`, or the values
            do not fit (see `Config.make`).
    """
    values = _read_yaml(Path(path)) if path is not None else {}
    return Config.make(override(values, overrides))


def override(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return nested values with `dotted.key=value` strings put on top, the later ones winning.

    Example:
        >>> override({"model": "linear"}, ["model.max_ngram=1", "training.epochs=5"])
        {'model': {'name': 'linear', 'max_ngram': 1}, 'training': {'epochs': 5}}
    """
    values = copy.deepcopy(values)
    for text in overrides:
        _put(values, text)
    return values


def dump_config(config: Config) -> str:
    """Return the resolved config, defaults included, as YAML that `load_config` reads back to an equal one."""
    return notation.dump(config.model_dump(mode="json"))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = notation.parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"No config file at '{path}'. Write one for your data with `textclf init DATA --out {path}`."
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{path}' cannot be read as YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        kind = type(values).__name__
        raise ConfigError(f"'{path}' should hold a mapping (`data:`, `model:`, …), but holds a {kind}.")
    return values


def _put(values: dict[str, Any], text: str) -> None:
    """Set one `dotted.key=value` in nested values."""
    key, equals, value_text = text.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set: expected KEY=VALUE such as training.epochs=5, got '{text}'.")
    try:
        value = notation.parse(value_text)
    except ValueError as error:
        raise ConfigError(f"--set {key}: '{value_text}' cannot be read as a YAML value: {error}") from None
    *parents, last = key.split(".")
    section = values
    for parent in parents:
        inside = section.get(parent)
        if parent == "model" and isinstance(inside, str):
            inside = {"name": inside}  # `model: linear` in the file, `--set model.max_ngram=1` on top
        section[parent] = inside if isinstance(inside, dict) else {}
        section = section[parent]
    section[last] = value
