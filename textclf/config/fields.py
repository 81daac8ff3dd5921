"""Which fields a config has, the options of the chosen model among them, by their dotted paths."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from textclf.config.models import MODELS, model_config_class


def chosen_model(values: Mapping[str, Any]) -> str:
    """Return the model that the values name, as it was written, or the one that stands without a name."""
    model = values.get("model") or {}
    return str(model.get("name", "textcnn") if isinstance(model, Mapping) else model)


def field_at(config_class: type[BaseModel], path: str, values: Mapping[str, Any]) -> FieldInfo | None:
    """Return the field of a dotted path, or None if there is none."""
    *parents, name = path.split(".")
    section: type[BaseModel] | None = config_class
    for parent in parents:
        section = _subsection(section, parent, values) if section else None
    return section.model_fields.get(name) if section else None


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
        name = chosen_model(values)
        return model_config_class(name) if name in MODELS else None
    annotation = info.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
