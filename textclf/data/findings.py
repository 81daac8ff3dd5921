"""What a look at a data set finds, for programs and for people."""

from dataclasses import asdict, dataclass
from typing import Any

from textclf.data import problems
from textclf.data.examples import BadRow
from textclf.terminal import aligned

MOST_LABELS = 100
"""Labels that the table shows."""


@dataclass(frozen=True)
class SplitCheck:
    """What a split holds. Where rows are pairs, what is said of a text is meant of both together.

    Attributes:
        rows: Number of texts.
        labels: Number of texts with each label, most frequent first.
        duplicates: Rows whose text stands in an earlier row of the split.
        conflicting: Those of them that have another label than the first row with the text.
        lengths: Percentiles of the texts' lengths, in tokens: "50", "90", "95", "99" and "max".
        share_cut: Share of the texts that are longer than the limit (0 to 1).
        without_tokens: Texts of which no token is left; pairs of which no token of one of both is.
    """

    rows: int
    labels: dict[str, int]
    duplicates: int
    conflicting: int
    lengths: dict[str, int]
    share_cut: float
    without_tokens: int


@dataclass(frozen=True)
class Overlap:
    """Texts that stand in two splits.

    Attributes:
        first: Name of one split.
        second: Name of the other.
        rows: Rows of the second whose text stands in the first.
        conflicting: Those of them whose label the text never has in the first.
    """

    first: str
    second: str
    rows: int
    conflicting: int


@dataclass(frozen=True)
class DataCheck:
    """What was found in a data set. Texts are equal if NFKC, case folding and folded white space make them so.

    Attributes:
        splits: Each split by name; bad rows do not count.
        overlaps: Each two splits.
        only_in_train: The labels that stand in train and in no other split, sorted: they are never scored.
        not_in_train: The labels of dev or test that train lacks, sorted: they cannot be learnt.
        bad_rows: The rows that stop training unless they are dropped.
        max_tokens: The limit that `share_cut` counts from, in tokens.
        warnings: What to look into, one sentence or two each.
        unit: What a row is: texts or pairs.
    """

    splits: dict[str, SplitCheck]
    overlaps: list[Overlap]
    only_in_train: list[str]
    not_in_train: list[str]
    bad_rows: list[BadRow]
    max_tokens: int
    warnings: list[str]
    unit: str = "texts"

    def to_json(self) -> dict[str, Any]:
        """Return the same as dicts, lists, strings and numbers."""
        return asdict(self)

    def to_text(self) -> str:
        """Return tables for a terminal, with the bad rows and the warnings under them."""
        lines = [*_label_table(self.splits), "", *_text_table(self)]
        if self.bad_rows:
            lines += ["", problems.report(self.bad_rows, self.splits["train"].labels)]
        lines += ["", "Warnings:", *(f"  - {warning}" for warning in self.warnings)] if self.warnings else []
        return "\n".join(lines)


def _label_table(splits: dict[str, SplitCheck]) -> list[str]:
    """Return the rows and the share of each label in each split."""
    names = list(dict.fromkeys(label for split in splits.values() for label in split.labels))
    rows = [["label", *(cell for name in splits for cell in (name, "%"))]]
    for label in names[:MOST_LABELS]:
        counts = [(split.labels.get(label, 0), split.rows) for split in splits.values()]
        rows.append(
            [label, *(cell for count, total in counts for cell in (f"{count:,}", f"{100 * count / total:.1f}"))]
        )
    if len(names) > MOST_LABELS:
        rows.append([f"({len(names) - MOST_LABELS:,} more)", *[""] * (2 * len(splits))])
    rows.append(["all", *(cell for split in splits.values() for cell in (f"{split.rows:,}", ""))])
    return aligned(rows)


def _text_table(found: DataCheck) -> list[str]:
    """Return the duplicates and the lengths of each split."""
    splits = found.splits.values()
    rows = [
        [found.unit, *found.splits],
        ["duplicates", *(f"{split.duplicates:,}" for split in splits)],
        ["  with another label", *(f"{split.conflicting:,}" for split in splits)],
    ]
    for first in list(found.splits)[:-1]:
        shared = {overlap.second: overlap for overlap in found.overlaps if overlap.first == first}
        rows.append(
            [f"also in {first}", *(f"{shared[name].rows:,}" if name in shared else "" for name in found.splits)]
        )
        conflicts = (f"{shared[name].conflicting:,}" if name in shared else "" for name in found.splits)
        rows.append(["  with another label", *conflicts])
    for key in next(iter(splits)).lengths:
        title = "longest, in tokens" if key == "max" else f"{key} % have at most, in tokens"
        rows.append([title, *(f"{split.lengths[key]:,}" for split in splits)])
    rows.append([f"cut at {found.max_tokens:,} tokens", *(f"{split.share_cut:.1%}" for split in splits)])
    return aligned(rows)
