"""The scores as a table for the terminal."""

from textclf.evaluation.counts import Average
from textclf.evaluation.scores import Scores
from textclf.terminal import character_width, display_width

_WIDEST_LABEL = 40
_NUMBERS = "{:>11.4f}{:>11.4f}{:>11.4f}{:>11,}"


def shorten(text: str, most: int) -> str:
    """Cut a text to at most `most` terminal columns, on one line, with "…" where something is left out.

    Example:
        >>> shorten("a label that is long", 10)
        'a label t…'
    """
    line = " ".join(text.split())
    if display_width(line) <= most:
        return line
    kept, width = [], 0
    for character in line:
        width += character_width(character)
        if width > most - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def scores_table(scores: Scores) -> str:
    """Return the scores of each class and their averages, aligned also when labels are Chinese.

    Example:
        >>> print(scores_table(Scores.from_confusion([[3, 1], [0, 4]], ["ham", "spam"])))
        label       precision     recall         F1       rows
        ──────────────────────────────────────────────────────
        ham            1.0000     0.7500     0.8571          4
        spam           0.8000     1.0000     0.8889          4
        ──────────────────────────────────────────────────────
        macro          0.9000     0.8750     0.8730          8
        weighted       0.9000     0.8750     0.8730          8
        accuracy                             0.8750          8
    """
    names = [shorten(label, _WIDEST_LABEL) for label in scores.labels]
    width = max(display_width(name) for name in [*names, "weighted", "accuracy"]) + 2
    columns = zip(names, scores.precision, scores.recall, scores.f1, scores.counts.support, strict=True)
    rule = "─" * (width + 44)
    return "\n".join(
        [
            _pad("label", width) + "".join(f"{head:>11}" for head in ("precision", "recall", "F1", "rows")),
            rule,
            *(_pad(name, width) + _NUMBERS.format(*numbers) for name, *numbers in columns),
            rule,
            _average("macro", scores.macro, scores.support, width),
            _average("weighted", scores.weighted, scores.support, width),
            _pad("accuracy", width) + " " * 22 + f"{scores.accuracy:>11.4f}{scores.support:>11,}",
        ]
    )


def _average(name: str, average: Average, support: int, width: int) -> str:
    return _pad(name, width) + _NUMBERS.format(*average, support)


def _pad(text: str, width: int) -> str:
    """Fill with spaces by columns of the terminal; `str.ljust` counts characters."""
    return text + " " * (width - display_width(text))
