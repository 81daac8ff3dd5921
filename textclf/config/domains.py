"""What a search may try for a field of the config: a range of numbers or a few choices."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from textclf.config import notation

_RANGE = re.compile(r"([^,\s/]+?)\.\.([^,\s/:]+)(?::(.*))?")


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both counted; whole ones alone if both are whole.

    Attributes:
        low: The smallest.
        high: The largest.
        log: Whether each order of magnitude is tried as often as any other, as suits a learning rate.

    Raises:
        ValueError: The range is empty, or its scale is logarithmic and it does not begin above 0.

    Example:
        >>> 0.0005 in Range(1e-4, 1e-3, log=True), 2.5 in Range(1, 3)
        (True, False)
        >>> str(Range(1e-4, 1e-3, log=True))
        '0.0001..0.001:log'
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"expected the lower end first and another one after it, got {self}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected a range that begins above 0 for ':log', got {self}")

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers alone."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def samples(self) -> tuple[float, ...]:
        """Values that stand for all: what a field takes of these it takes of the others too."""
        return self.low, self.high

    def __contains__(self, value: object) -> bool:
        is_number = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        return f"{self.low!r}..{self.high!r}{':log' if self.log else ''}"


@dataclass(frozen=True)
class Choices:
    """A few values of any kind that YAML knows; one alone leaves nothing to search.

    Example:
        >>> str(Choices(([3, 4, 5], None, "full")))
        '[3, 4, 5], null, full'
    """

    values: tuple[Any, ...]

    @property
    def samples(self) -> tuple[Any, ...]:
        """All of them."""
        return self.values

    @property
    def names(self) -> list[str]:
        """The values as YAML, in which no two are alike: `1` and `true` are equal in Python."""
        return [notation.dump_line([value])[1:-1] for value in self.values]

    def __contains__(self, value: object) -> bool:
        return notation.dump_line([value])[1:-1] in self.names

    def __str__(self) -> str:
        return ", ".join(self.names)


Domain: TypeAlias = Range | Choices
SearchSpace: TypeAlias = Mapping[str, Domain]
"""Domains by the dotted path of the field."""


def parse_domain(text: str) -> Domain:
    """Return what a text names: `LOW..HIGH`, `LOW..HIGH:log`, or values in YAML with commas between.

    Raises:
        ValueError: It names neither; the message says what was expected.

    Example:
        >>> parse_domain("1e-5..1e-3:log")
        Range(low=1e-05, high=0.001, log=True)
        >>> parse_domain("[2, 3], [3, 4, 5]")
        Choices(values=([2, 3], [3, 4, 5]))
    """
    if found := _RANGE.fullmatch(text.strip()):
        low, high, scale = found.groups()
        if scale not in (None, "log"):
            raise ValueError(f"expected ':log' or nothing after the range, got ':{scale}'")
        return Range(_number(low), _number(high), scale == "log")
    try:
        values = notation.parse(f"[{text}]")
    except ValueError as error:
        raise ValueError(
            f"expected a range such as 0.1..0.5 or choices such as 16,32, got '{text}' ({error})"
        ) from None
    if not isinstance(values, list) or not values:
        raise ValueError(f"expected a range such as 0.1..0.5 or choices such as 16,32, got '{text}'")
    return Choices(tuple(dict(zip(Choices(tuple(values)).names, values, strict=True)).values()))


def _number(text: str) -> float:
    """Return an int where the text is one, else a float."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a number at both ends of a range, got '{text}'")
    return number
