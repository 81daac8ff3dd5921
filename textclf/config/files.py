"""Configs as YAML: read with overrides from the command line, and written back resolved."""

import copy
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from textclf.config import notation
from textclf.config.fields import field_at
from textclf.config.run import Config
from textclf.errors import ConfigError

_PACKABLE = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")
DATA_SUFFIXES = (*_PACKABLE, *(f"{suffix}.gz" for suffix in _PACKABLE), ".parquet")
"""How files of data end: as in `textclf.data.readers.FORMATS`, which imports the config."""


def load_config(path: str | Path | None, overrides: Iterable[str] = ()) -> Config:
    """Read a config file, put the overrides on top and check the whole.

    Paths inside a config are relative to the current directory, as on any command line.

    Args:
        path: YAML file; None starts from the defaults, so that the overrides must say what has none.
        overrides: Strings `dotted.key=value`, the value in YAML: `training.epochs=5`,
            `model.filter_sizes=[2,3]`, `data.test=null`. Where the field takes a string, the value is
            the text as it stands, so that no file name needs quotes: `data.train=my file #2.csv`. Only
            the word `null` is nothing there too, and what stands in quotes is a string without them.

    Raises:
        ConfigError: The file is missing, named like data or no YAML mapping, an override has no `=` or no value, or the
            values do not fit (see `Config.make`).
    """
    values = _read_yaml(Path(path)) if path is not None else {}
    return Config.make(override(values, overrides))


def parse_values(text: str, path: str | Path) -> dict[str, Any]:
    """Return the nested values of a config's text, of which `Config.make` makes a config.

    Args:
        text: YAML.
        path: What a message calls the file that it is from.

    Raises:
        ConfigError: It is no YAML mapping.
    """
    try:
        values = notation.parse(text)
    except ValueError as error:
        raise ConfigError(f"'{path}' cannot be read as YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        kind = type(values).__name__
        raise ConfigError(f"'{path}' should hold a mapping (`data:`, `model:`, …), but holds a {kind}.")
    return values


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
    """Return the resolved config as YAML that `load_config` reads back to an equal one.

    Defaults are in it, but nothing that does not count: options of the model that others have put out of use, and the
    training section of a model that does not learn in steps.
    """
    values = config.model_dump(mode="json", exclude={"model": config.model.idle()})
    if not config.model.learns_in_steps and not config.training.model_fields_set:
        del values["training"]
    return notation.dump(values)


def _read_yaml(path: Path) -> dict[str, Any]:
    if path.name.lower().endswith(DATA_SUFFIXES):
        command = shlex.join(["textclf", "init", str(path)])
        raise ConfigError(f"'{path}' looks like data, not a config. Write a config for it with: {command}")
    try:
        return parse_values(path.read_text(encoding="utf-8-sig"), path)
    except FileNotFoundError:
        raise ConfigError(
            f"No config file at '{path}'. Write one for your data with: "
            f"textclf init DATA --out {shlex.quote(str(path))}"
        ) from None
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"'{path}' cannot be read as YAML: {error}") from None


def _put(values: dict[str, Any], text: str) -> None:
    """Set one `dotted.key=value` in nested values."""
    key, equals, value_text = text.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set: expected KEY=VALUE such as training.epochs=5, got '{text}'.")
    value = _value(key, value_text, values)
    *parents, last = key.split(".")
    section = values
    for number, parent in enumerate(parents, start=1):
        inside = section.get(parent)
        if parent == "model" and isinstance(inside, str):
            inside = {"name": inside}  # `model: linear` in the file, `--set model.max_ngram=1` on top
        if not isinstance(inside, dict | None):
            path = ".".join(parents[:number])
            raise ConfigError(
                f"--set {key}: expected '{path}' to be a mapping of options, but it is {inside!r:.60}. "
                f"Give it as a mapping, such as {path}={{{key.split('.')[number]}: …}}."
            )
        section[parent] = {} if inside is None else inside
        section = section[parent]
    section[last] = value


def _value(key: str, text: str, values: Mapping[str, Any]) -> Any:
    """Return what the text of an override means for its field: itself for a string, else what YAML makes of it."""
    field = field_at(Config, key, values)
    types = _types_in(field.annotation) if field else set()
    if str in types and not text:
        null = f", for nothing {key}=null" if NoneType in types else ""
        raise ConfigError(
            f"--set {key}: expected a value after '=', got none. For an empty string write \"{key}=''\"{null}."
        )
    try:
        value = notation.parse(text)
    except ValueError as error:
        if str in types:
            return text
        raise ConfigError(f"--set {key}: '{text}' cannot be read as a YAML value: {error}") from None
    if str not in types:
        return value
    in_quotes = isinstance(value, str) and text.strip()[:1] in ("'", '"')
    is_number = isinstance(value, int | float) and float in types
    # YAML takes `~`, a space and a comment such as `#` for null as well; here they are characters.
    return value if in_quotes or is_number or text == "null" else text


def _types_in(annotation: Any) -> set[Any]:
    """Return the types of a union, or the one type that is none; `Annotated` is looked into.

    Example:
        >>> _types_in(str | None) == {str, NoneType}
        True
    """
    if get_origin(annotation) is Annotated:
        return _types_in(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return {kind for part in get_args(annotation) for kind in _types_in(part)}
    return {annotation}
