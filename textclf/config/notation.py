"""YAML as configs use it: what other languages' YAML readers agree on, without PyYAML's traps.

`1e-3` is a number, as in YAML 1.2 (PyYAML takes it for a string), and a key that stands twice in one
mapping is an error, where PyYAML would keep the last in silence.
"""

import re
from typing import Any

import yaml

_FLOAT = "tag:yaml.org,2002:float"
_EXPONENT_WITHOUT_POINT = re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' stands here for the second time", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what `_Loader` would take for a number, and escapes line breaks."""


def _represent_string(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    """Return double quotes for a string with a line break: in others, PyYAML folds or loses some (U+0085)."""
    style = None if value.splitlines() == [value] else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_string)
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(_FLOAT, _EXPONENT_WITHOUT_POINT, list("-+0123456789"))


def parse(text: str) -> Any:
    """Return the value of a YAML document.

    Raises:
        ValueError: The text is no YAML, or a value in it cannot be, such as the date 2020-13-45.

    Example:
        >>> parse("{rate: 1e-3, sizes: [2, 3]}")
        {'rate': 0.001, 'sizes': [2, 3]}
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise ValueError(_located(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line}: the character {chr(error.character)!r} cannot stand in YAML") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _located(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong on one line, its place first; PyYAML's own words speak of a "<unicode string>"."""
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + ", ".join(filter(None, (error.context, error.problem)))


def dump(values: dict[str, Any]) -> str:
    """Return a mapping as a YAML document, a key a line, in the order it has."""
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def dump_line(value: object) -> str:
    """Return a value as YAML on one line, lists in brackets.

    Example:
        >>> dump_line([2, 3]), dump_line("1e-3")
        ('[2, 3]', "'1e-3'")
    """
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")
