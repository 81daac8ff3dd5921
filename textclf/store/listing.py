"""What there is of a served model: a line a version, for people and for programs."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from textclf.savedmodel.files import GRAPH_FILE, SCORES_FILE
from textclf.store import log
from textclf.store.condition import damage
from textclf.store.lifecycle import PUBLISHED
from textclf.store.models_config import read_labels
from textclf.store.versions import RETIRED, SEALED, find_model, states
from textclf.terminal import aligned

_NONE = "–"


@dataclass(frozen=True)
class Record:
    """A version.

    Attributes:
        version: Its number.
        labels: The labels that point at it, in order.
        state: live, retired or sealed.
        problems: What is missing or has another size than it should; none if nothing was found.
        accuracy: The accuracy on test, 0 to 1; None if it is not known.
        macro_f1: The macro F1 on test, 0 to 1; None if it is not known.
        date: When it was published, in UTC and ISO 8601: as the log says, or else when it was written.
        fingerprint: The first 12 characters of its data's SHA-256; None if it is not known.
        size: Its bytes on the disk.
    """

    version: int
    labels: list[str]
    state: str
    problems: list[str]
    accuracy: float | None
    macro_f1: float | None
    date: str
    fingerprint: str | None
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the same as a dict that JSON takes."""
        return asdict(self)


def records(base: str | Path, name: str) -> list[Record]:
    """Return all versions of a model, in ascending order.

    Raises:
        ExportError: The model is unknown, or models.config cannot be read.
    """
    model_path = find_model(base, name)
    labels = read_labels(base, name)
    published = {
        line.facts.get("version"): line.facts["time"]
        for line in log.read(model_path)
        if line.facts.get("action") == PUBLISHED and isinstance(line.facts.get("time"), str)
    }
    return [
        _record(model_path, version, state, [label for label, where in labels.items() if where == version], published)
        for version, state in states(model_path).items()
    ]


def table(found: list[Record]) -> str:
    """Return versions as a table for a terminal, with what is wrong with them under it.

    Example:
        >>> print(table([Record(7, ["stable"], "live", [], 0.9231, 0.8754, "2026-11-22T16:54:22Z", "0a1b2c3d", 5321)]))
        version  labels  accuracy  macro F1   published (UTC)      data    size  state
        7        stable    0.9231    0.8754  2026-11-22 16:54  0a1b2c3d  5.3 kB   live
    """
    rows = [["version", "labels", "accuracy", "macro F1", "published (UTC)", "data", "size", "state"]]
    rows += [
        [
            str(its.version),
            ", ".join(its.labels) or _NONE,
            _score(its.accuracy),
            _score(its.macro_f1),
            its.date[:16].replace("T", " "),
            its.fingerprint or _NONE,
            _size(its.size),
            f"{its.state}, damaged" if its.problems else its.state,
        ]
        for its in found
    ]
    problems = [f"version {its.version}: {problem}" for its in found for problem in its.problems]
    return "\n".join([*aligned(rows), *([""] if problems else []), *problems])


def _record(model_path: Path, version: int, state: str, labels: list[str], published: dict[Any, str]) -> Record:
    problems: list[str] = []
    results: Any = {}
    if state == "sealed":
        path = written = model_path / f"{version}{SEALED}"
    else:
        path = model_path / str(version) if state == "live" else model_path / RETIRED / str(version)
        written = path / GRAPH_FILE
        problems = damage(path)
        try:
            results = json.loads((path / SCORES_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            if not isinstance(error, FileNotFoundError):
                problems.append(f"{SCORES_FILE} cannot be read")
    test = _at(results, "scores", "test")
    fingerprint = _at(results, "data_fingerprint")
    return Record(
        version=version,
        labels=labels,
        state=state,
        problems=problems,
        accuracy=_number(_at(test, "accuracy")),
        macro_f1=_number(_at(test, "macro", "f1")),
        date=published.get(version) or _time_of(written if written.exists() else path),
        fingerprint=fingerprint[:12] if isinstance(fingerprint, str) else None,
        size=sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file()),
    )


def _at(values: Any, *keys: str) -> Any:
    """Return what stands below these keys of dicts in dicts; None if it is not there."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _time_of(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _score(score: float | None) -> str:
    return _NONE if score is None else f"{score:.4f}"


def _size(size: int) -> str:
    """Return a size in the largest unit that leaves at least one, as disks count.

    Example:
        >>> _size(999), _size(91_200_000)
        ('999 B', '91.2 MB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
