"""Words for what is wrong in a config: every problem at once, each with its path and a way out."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from textclf.errors import did_you_mean, listing


def describe(error: ValidationError, config_class: type[BaseModel], values: Mapping[str, Any]) -> str:
    """Return one line a problem, under a line with their number.

    Args:
        error: What pydantic found.
        config_class: The class that was checked.
        values: What the user wrote, to find the model's own options.
    """
    lines = [_line(problem, config_class, values) for problem in error.errors()]
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    return "\n".join([f"The config has {count}:", *(f"  {line}" for line in lines)])


def _line(problem: Any, config_class: type[BaseModel], values: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in problem["loc"] if not _is_union_branch(part))
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{path}: unknown key.{_nearest(path, config_class, values)}"
    if kind == "missing":
        return f"{path}: required, but missing"
    if kind == "value_error":
        return f"{path}: {problem['ctx']['error']}"
    return f"{path}: {problem['msg'].replace('Input should be', 'expected')}, got {problem['input']!r}"


def _is_union_branch(part: Any) -> bool:
    """Say whether pydantic added this part to name a branch of a union, such as `str` in `data.dev.str`."""
    return isinstance(part, str) and (part in ("str", "float") or "[" in part)


def _nearest(path: str, config_class: type[BaseModel], values: Mapping[str, Any]) -> str:
    """Return a hint for an unknown key: its near namesake, the section it belongs to, or the keys there are."""
    *parents, key = path.split(".")
    siblings = section_fields(config_class, parents, values)
    hint = did_you_mean(key, siblings)
    if hint:
        return hint
    elsewhere = [known for known in leaf_paths(config_class, values) if known.rpartition(".")[2] == key]
    return f" Did you mean '{elsewhere[0]}'?" if elsewhere else f" Known here: {listing(siblings, most=30)}."


def section_fields(config_class: type[BaseModel], parents: list[str], values: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields of the section that `parents` lead to."""
    section: type[BaseModel] = config_class
    for parent in parents:
        section = _subsection(section, parent, values) or section
    return list(section.model_fields)


def leaf_paths(config_class: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of every field that is no section."""
    for name in config_class.model_fields:
        section = _subsection(config_class, name, values)
        if section is None:
            yield prefix + name
        else:
            yield from leaf_paths(section, values, prefix=f"{prefix}{name}.")


def _subsection(section: type[BaseModel], field: str, values: Mapping[str, Any]) -> type[BaseModel] | None:
    """Return the class of a field that is a section; for `model`, the class that the values choose."""
    info = section.model_fields.get(field)
    if info is None:
        return None
    if field == "model":
        from textclf.config.models import MODELS, model_config_class

        chosen = values.get("model", "textcnn")
        name = chosen.get("name", "textcnn") if isinstance(chosen, Mapping) else chosen
        return model_config_class(name) if name in MODELS else None
    annotation = info.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
