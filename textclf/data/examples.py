"""A labelled text, a row that cannot be one, and a list of labelled texts.

Every other module of the package hands these three on, so this is where a task that is more than
one label of one text enters: of text pairs, `Example` and `Split` have a second text beside the
first; several labels a text will make `Example.label` a tuple of labels (and `Split.labels` a list
of such tuples). Readers fill the fields in `readers.rows.checked`, the only place that makes an
`Example`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its label, and where it stands.

    Attributes:
        text: The text as it stands in the source; never empty.
        label: Name of the class; never empty.
        source: The source as the user named it; in a folder of classes, the file.
        line: Number of the row's first line in a text file, or of the row elsewhere; the first is 1.
        pair: The second text, as it stands, if rows are pairs; then never empty.
    """

    text: str
    label: str
    source: str
    line: int
    pair: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be learnt from.

    Attributes:
        source: As in `Example`.
        line: As in `Example`.
        problem: What is wrong; one of the kinds in `textclf.data.problems`.
        detail: What exactly came, or an empty string if the problem says it all.
    """

    source: str
    line: int
    problem: str
    detail: str = ""


Row: TypeAlias = Example | BadRow


@dataclass(slots=True)
class Split:
    """Labelled texts as columns, which take a fraction of the memory of a list of `Example`s.

    Attributes:
        texts: The texts; of pairs, the first ones.
        labels: The label of each text.
        places: Source and line of each text.
        pairs: The second text of each row; None for single texts.

    Example:
        >>> split = Split.of([Example("great", "positive", "reviews.csv", 2)])
        >>> len(split), split.places
        (1, [('reviews.csv', 2)])
    """

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)
    pairs: list[str] | None = None

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "Split":
        """Return a split that holds the examples in their order."""
        split = cls()
        for example in examples:
            split.append(example)
        return split

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)

    @property
    def all_texts(self) -> list[str]:
        """All that was written: the texts and, of pairs, the second texts after them."""
        return self.texts if self.pairs is None else self.texts + self.pairs

    @property
    def keys(self) -> list[str]:
        """What tells rows apart but for their labels: the text, or both with NUL between, which stands in neither."""
        if self.pairs is None:
            return self.texts
        return [f"{text}\0{pair}" for text, pair in zip(self.texts, self.pairs, strict=True)]

    def append(self, example: Example) -> None:
        """Add an example at the end; `ValueError` if it is a pair and the others are not, or the other way round."""
        if not self.texts and example.pair is not None:
            self.pairs = []
        if (self.pairs is None) != (example.pair is None):
            raise ValueError(f"expected all rows to be pairs or none, got {example} among others")
        if self.pairs is not None and example.pair is not None:
            self.pairs.append(example.pair)
        self.texts.append(example.text)
        self.labels.append(example.label)
        self.places.append((example.source, example.line))

    def name_rows(self, rows: Sequence[int], most: int = 5) -> str:
        """Return where some rows stand, for a message.

        Args:
            rows: Their positions in the split.
            most: How many are named; the others are counted.

        Example:
            >>> Split.of([Example("great", "positive", "reviews.csv", 2)]).name_rows([0])
            "'reviews.csv' line 2"
        """
        named = [f"'{source}' line {line}" for source, line in (self.places[row] for row in rows[:most])]
        more = f" and {len(rows) - most} more" if len(rows) > most else ""
        return ", ".join(named) + more

    def take(self, indices: Iterable[int]) -> "Split":
        """Return a split of the rows at these indices, in the order of the indices."""
        chosen = list(indices)
        return Split(
            [self.texts[index] for index in chosen],
            [self.labels[index] for index in chosen],
            [self.places[index] for index in chosen],
            None if self.pairs is None else [self.pairs[index] for index in chosen],
        )
