"""What a search tries: the model's own fields with their domains, and what the user says of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from textclf.config import notation
from textclf.config.domains import Domain, Range, SearchSpace, parse_domain
from textclf.config.fields import leaf_paths
from textclf.config.files import dump_config
from textclf.config.run import Config
from textclf.errors import ConfigError, did_you_mean

_SECTIONS = ("model.", "text.", "training.")
_FIXED = ("model.name", "training.monitor")
"""What makes trials comparable: a search is in one model, by one score."""


def search_space(config: Config, searched: Iterable[str] = ()) -> SearchSpace:
    """Return the fields to search with their domains, every one of which the config takes.

    Args:
        config: The run whose fields are searched; its model names them (`ModelOptions.search_space`).
        searched: Strings `FIELD=DOMAIN` that add fields or take the place of the model's own domains, the later ones
            winning: `training.learning_rate=1e-5..1e-3:log`, `model.dropout=0.1,0.3,0.5`, `training.epochs=3..8`.

    Raises:
        ConfigError: There is no such field or none that can be searched, the domain cannot be read, the field does not
            take what is in it, or there is nothing to search.

    Example:
        >>> config = Config.make({"data": {"train": "messages.csv"}, "model": "linear"})
        >>> space = search_space(config, ["model.max_ngram=1,2"])
        >>> str(space["model.max_ngram"]), str(space["model.inverse_regularization"])
        ('1, 2', '0.1..1000.0:log')
    """
    own = dict(config.model.search_space())
    given = dict(_parsed(text) for text in searched)
    if not own and not given:
        raise ConfigError(
            f"The model {config.model.name} names no fields to search (ModelOptions.search_space). Name some, such as "
            "--search training.learning_rate=1e-4..1e-2:log."
        )
    return {field: _checked(config, field, domain) for field, domain in {**own, **given}.items()}


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return the config with the fields of some dotted paths set; `ConfigError` if that does not fit."""
    nested = notation.parse(dump_config(config))
    for path, value in values.items():
        *parents, name = path.split(".")
        section = nested
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    return Config.make(nested)


def value_at(config: Config, path: str) -> Any:
    """Return the value of the field of a dotted path."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _parsed(text: str) -> tuple[str, Domain]:
    field, equals, domain = text.partition("=")
    if not equals or not all(field.split(".")):
        raise ConfigError(
            f"--search: expected FIELD=LOW..HIGH[:log] or FIELD=CHOICE,CHOICE such as model.dropout=0.1..0.5, "
            f"got '{text}'."
        )
    try:
        return field, parse_domain(domain)
    except ValueError as error:
        raise ConfigError(f"--search {field}: {error}.") from None


def _checked(config: Config, field: str, domain: Domain) -> Domain:
    """Return the domain, in real numbers if the field takes these."""
    _check_field(config, field)
    for value in domain.samples:
        try:
            changed = with_values(config, {field: value})
        except ConfigError as error:
            raise ConfigError(f"--search {field}={domain}: the config does not take {value!r}. {error}") from None
    if isinstance(domain, Range) and isinstance(value_at(changed, field), float):
        return Range(float(domain.low), float(domain.high), domain.log)
    return domain


def _check_field(config: Config, field: str) -> None:
    paths = list(leaf_paths(Config, {"model": {"name": config.model.name}}))
    known = [path for path in paths if path.startswith(_SECTIONS) and path not in _FIXED]
    if field in known and field.startswith("training.") and not config.model.learns_in_steps:
        raise ConfigError(f"--search {field}: it counts nothing for this model, which a solver fits in one go.")
    if field in known and field in config.model.unused_fields():
        reason = config.model.unused_fields()[field]
        raise ConfigError(f"--search {field}: it counts nothing for this model: {reason}.")
    if field in known:
        return
    if field in paths:
        raise ConfigError(
            f"--search {field}: expected a field of model, text or training that is not {' or '.join(_FIXED)}."
        )
    name = field.rpartition(".")[2]
    elsewhere = [path for path in known if path.rpartition(".")[2] == name]
    hint = f" Did you mean '{elsewhere[0]}'?" if elsewhere else did_you_mean(field, known)
    raise ConfigError(f"--search {field}: there is no such field with model={config.model.name}.{hint}")
