"""Words for what is wrong in a config: every problem at once, each with its path and a way out."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from textclf.config.models import MODELS, model_config_class
from textclf.errors import did_you_mean, listing

_LONGEST_VALUE = 80


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
    path = ".".join(str(part) for part in problem["loc"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{path}: unknown key.{_nearest(path, config_class, values)}"
    if kind == "missing":
        return f"{path}: required, but missing"
    if kind == "value_error":
        return f"{path}: {problem['ctx']['error']}"
    hint = _near_choice(problem) if kind == "literal_error" else ""
    return f"{path}: expected {_expected(problem)}, got {_shortened(problem['input'])}{hint}"


def _expected(problem: Any) -> str:
    """Return what pydantic would have taken, in words that do not speak of pydantic."""
    context = problem.get("ctx", {})
    match problem["type"]:
        case "model_type" | "model_attributes_type" | "dict_type":
            return "a mapping of options"
        case "invalid_key":
            return "a name as the key"
        case "string_pattern_mismatch":
            return f"a string of the form {context['pattern']}"
        case "too_short":
            return f"a list of at least {context['min_length']}"
        case _:
            words: str = problem["msg"].removeprefix("Input should be ").replace("a valid ", "a ")
            return re.sub("^(greater|less) than", r"a number \1 than", words).replace("a integer", "an integer")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def _near_choice(problem: Any) -> str:
    """Return a hint for a mistyped one of several fixed strings."""
    written = problem["input"]
    choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
    hint = did_you_mean(written, choices) if isinstance(written, str) else ""
    return f".{hint}" if hint else ""


def _nearest(path: str, config_class: type[BaseModel], values: Mapping[str, Any]) -> str:
    """Return a hint for an unknown key: its owner, its near namesake here or elsewhere, or the keys there are."""
    *parents, key = path.split(".")
    siblings = section_fields(config_class, parents, values)
    if parents == ["model"] and (owners := _models_with(key)):
        return f" {key} is an option of {' and '.join(owners)}, and this model is {_chosen_model(values)}."
    elsewhere = {known.rpartition(".")[2]: known for known in leaf_paths(config_class, values)}
    if key in elsewhere:
        return f" Did you mean '{elsewhere[key]}'?"
    if hint := did_you_mean(key, siblings):
        return hint
    near = difflib.get_close_matches(key, elsewhere, n=1, cutoff=0.75)
    return f" Did you mean '{elsewhere[near[0]]}'?" if near else f" Known here: {listing(siblings, most=30)}."


def _models_with(option: str) -> list[str]:
    """Return the names of the models that have an option."""
    return [name for name in MODELS if option in model_config_class(name).model_fields]


def _chosen_model(values: Mapping[str, Any]) -> str:
    """Return the model that the values name, as it was written, or the one that stands without a name."""
    model = values.get("model", {})
    return str(model.get("name", "textcnn") if isinstance(model, Mapping) else model)


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
        name = _chosen_model(values)
        return model_config_class(name) if name in MODELS else None
    annotation = info.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
