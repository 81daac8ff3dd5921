"""A font for plots that has every character of the labels, from those that are installed."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.font_manager import FontProperties, findfont, findSystemFonts
from matplotlib.ft2font import FT2Font

from textclf.evaluation.table import shorten

_WIDEST_LABEL = 24
_PREFERRED = ("NotoSansCJK", "NotoSansSC", "SourceHanSans", "PingFang", "Hiragino", "msyh", "wqy", "simhei", "Noto")
_AVOIDED = ("Bold", "Black", "Light", "Thin", "Medium", "Italic", "Oblique", "Mono", "Serif", "Condensed")


def axis_names(labels: Sequence[str]) -> tuple[list[str], FontProperties]:
    """Return what a plot writes for each label, and the font to write it in.

    These are the labels, shortened; or numbers from 1 when no installed font has every character,
    or when two labels are alike once shortened. A report lists the numbers beside the labels.
    """
    names = [shorten(label, _WIDEST_LABEL) for label in labels]
    path = font_with("".join(names)) if all(names) and len(set(names)) == len(names) else None
    if path is None:
        return [str(number) for number in range(1, len(labels) + 1)], FontProperties(fname=_default_font())
    return names, FontProperties(fname=path)


def font_with(characters: str) -> str | None:
    """Return the path of a font that has all the characters, or None; matplotlib's own font comes first."""
    codes = frozenset(map(ord, characters))
    return next((path for path in _font_paths() if codes <= _characters_of(path)), None)


@functools.cache
def _font_paths() -> tuple[str, ...]:
    installed = (path for path in findSystemFonts() if "LastResort" not in path)  # that one draws boxes for all
    return (_default_font(), *sorted(installed, key=_rank))


@functools.cache
def _default_font() -> str:
    return str(findfont(FontProperties(family="DejaVu Sans")))


def _rank(path: str) -> tuple[int, int, str]:
    """Put plain sans-serif fonts for Chinese before others, and in one order on every call."""
    name = Path(path).name
    preferred = _first_index(name, _PREFERRED)
    return sum(word in name for word in _AVOIDED), preferred, path


def _first_index(name: str, words: Iterable[str]) -> int:
    known = list(words)
    return next((index for index, word in enumerate(known) if word.lower() in name.lower()), len(known))


@functools.lru_cache(maxsize=16)
def _characters_of(path: str) -> frozenset[int]:
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()
