"""What can be wrong with a row, and the one report that says it all."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from textclf.data.examples import BadRow
from textclf.errors import did_you_mean

NO_TEXT = "no text"
NO_PAIR = "no second text"
NO_LABEL = "no label"
NUL = "a NUL character"
NOT_UNICODE = "characters that are no Unicode text"
FIELDS = "the wrong number of fields"
QUOTED_FIELDS = "the wrong number of fields, some in quotes that count as characters"
QUOTES = "broken quotes"
NOT_JSON = "no valid JSON object"
MISSING_FIELD = "a field missing"
WRONG_TYPE = "a value of the wrong type"
SEVERAL_LABELS = "more than one label"
NOT_TEXT_FILE = "a name that does not end in .txt or .txt.gz"
UNSEEN_LABEL = "a label that never stands in train"
"""The detail of an unseen label is the label itself."""

HINTS = {
    NUL: "NUL characters often mean UTF-16 that is read as something else: see data.encoding.",
    QUOTES: 'If " is a character like any other in the file, set data.quoting=none.',
    QUOTED_FIELDS: "If fields in quotes hold the separator, set data.quoting=standard.",
}
"""What to look at first, for the kinds that have one common cause."""

MOST_LINES = 5
MOST_SOURCES = 5
MOST_DETAILS = 4


def report(bad_rows: Sequence[BadRow], labels: Collection[str] = ()) -> str:
    r"""Return every problem once: a line for each kind and source, with its count and first lines.

    Args:
        bad_rows: The rows.
        labels: Those of train, to look for what a label that never stands there was meant to be.

    Example:
        >>> print(report([BadRow("a.csv", 3, NO_TEXT), BadRow("a.csv", 9, NO_TEXT)]))
        2 bad rows:
          a.csv: 2 with no text (lines 3, 9)
    """
    groups: dict[str, dict[str, list[BadRow]]] = defaultdict(lambda: defaultdict(list))
    for row in bad_rows:
        groups[row.problem][row.source].append(row)
    lines = [f"{len(bad_rows):,} bad row{'s' if len(bad_rows) > 1 else ''}:"]
    for problem, sources in groups.items():
        shown = list(sources.items())[:MOST_SOURCES]
        lines += [f"  {source}: {_group(problem, rows)}" for source, rows in shown]
        if len(sources) > len(shown):
            rest = sum(map(len, sources.values())) - sum(len(rows) for _, rows in shown)
            lines.append(f"  {len(sources) - len(shown):,} more files: {rest:,} with {problem}")
    lines += [f"  {hint}" for problem, hint in HINTS.items() if problem in groups]
    unseen = Counter(row.detail for row in bad_rows if row.problem == UNSEEN_LABEL)
    near = ((label, did_you_mean(label, labels)) for label, _ in unseen.most_common(MOST_DETAILS))
    lines += [f"  '{label}' is no label of train.{hint}" for label, hint in near if hint]
    return "\n".join(lines)


def _group(problem: str, rows: Sequence[BadRow]) -> str:
    """Return one kind of problem of one source in words, what came most often first."""
    details: dict[str, list[BadRow]] = defaultdict(list)
    for row in rows:
        details[row.detail].append(row)
    shown = sorted(details.items(), key=lambda item: -len(item[1]))[:MOST_DETAILS]
    places = [_lines(same) + _detail(problem, detail) for detail, same in shown]
    more = ["…"] if len(details) > len(shown) else []
    return f"{len(rows):,} with {problem} ({'; '.join(places + more)})"


def _detail(problem: str, detail: str) -> str:
    if not detail:
        return ""
    return f": '{detail:.60}'" if problem == UNSEEN_LABEL else f": {detail}"


def _lines(rows: Sequence[BadRow]) -> str:
    shown = ", ".join(str(row.line) for row in rows[:MOST_LINES])
    left_out = len(rows) - MOST_LINES
    return f"line{'s' if len(rows) > 1 else ''} {shown}" + (f" and {left_out:,} more" if left_out > 0 else "")
