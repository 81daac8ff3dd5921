"""Words for what is wrong in a config: every problem at once, each with its path and a way out."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from textclf.config.fields import chosen_model, leaf_paths, section_fields
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
        return f" {key} is an option of {' and '.join(owners)}, and this model is {chosen_model(values)}."
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
