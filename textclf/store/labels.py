"""Labels of versions: `stable` and `canary` are what clients ask for, and what moves while they ask."""

import re
from pathlib import Path
from typing import NamedTuple

from textclf.errors import ExportError, did_you_mean, listing
from textclf.store import log
from textclf.store.condition import check_whole, foreign
from textclf.store.lock import locked
from textclf.store.models_config import read_labels, write_labels
from textclf.store.versions import find_model, find_version, versions

STABLE = "stable"
LABELLED, UNLABELLED, ROLLED_BACK = "labelled", "unlabelled", "rolled back"


class Move(NamedTuple):
    """A label that moved.

    Attributes:
        before: The version that it pointed at; None if it is new.
        after: The version that it points at.
    """

    before: int | None
    after: int


def set_label(base: str | Path, name: str, label: str, version: int, served_from: str | None = None) -> Move:
    """Let a label point at a live version.

    Args:
        base: Folder of the served models.
        name: The model.
        label: The label.
        version: The version.
        served_from: Where the server sees `base`, if it is not where we do; see `models_config.refresh`.

    Returns:
        Where it pointed, and where it does.

    Raises:
        ExportError: The model or the version is unknown, the version is not live or not whole, the label cannot be
            one, or models.config cannot be read or written.
    """
    model_path = find_model(base, name)
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", label):
        raise ExportError(f"Expected a label of letters (A to Z), digits and '_', the first a letter, got '{label}'.")
    with locked(model_path):
        _check_served(model_path, version)
        labels = read_labels(base, name)
        before = labels.get(label)
        write_labels(base, name, labels | {label: version}, versions(model_path), served_from)
        if before != version:
            log.append(model_path, LABELLED, label=label, version=version, from_version=before)
    return Move(before, version)


def remove_label(base: str | Path, name: str, label: str) -> int:
    """Take a label away, and return the version that it pointed at.

    Raises:
        ExportError: The model or the label is unknown, or models.config cannot be read or written.
    """
    model_path = find_model(base, name)
    with locked(model_path):
        labels = read_labels(base, name)
        version = _version_of(label, labels, name)
        del labels[label]
        write_labels(base, name, labels, versions(model_path))
        log.append(model_path, UNLABELLED, label=label, from_version=version)
    return version


def rollback(base: str | Path, name: str) -> Move:
    """Let the label `stable` point at the version before, as the log has it; a second call goes back one more.

    Raises:
        ExportError: The model is unknown, it has no such label, the log knows of no version before, that version is
            not live or not whole, or models.config cannot be read or written.
    """
    model_path = find_model(base, name)
    with locked(model_path):
        labels = read_labels(base, name)
        now = _version_of(STABLE, labels, name)
        before = _before(model_path, STABLE, now)
        if before is None:
            raise ExportError(
                f"The log of '{name}' knows of no version that '{STABLE}' pointed at before {now}. "
                f"Say which: textclf label {name} {STABLE} VERSION"
            )
        _check_served(model_path, before)
        write_labels(base, name, labels | {STABLE: before}, versions(model_path))
        log.append(model_path, ROLLED_BACK, label=STABLE, version=before, from_version=now)
    return Move(now, before)


def newest_beside_stable(base: str | Path, name: str) -> int | None:
    """Return the newest live version if another one is `stable`: a server gives it to requests without a label.

    Raises:
        ExportError: The model is unknown, or models.config cannot be read.
    """
    newest, stable = max(versions(find_model(base, name)), default=None), read_labels(base, name).get(STABLE)
    return None if stable is None or stable == newest else newest


def _check_served(model_path: Path, version: int) -> None:
    """Refuse a version that is not what was exported, or that no server would load."""
    why = "A label points at what the server loads."
    if version not in versions(model_path):
        why += f" If it is retired, bring it back: textclf restore {model_path.name} {version}"
    version_path = find_version(model_path, version, "live", why)
    if not_ours := foreign(version_path):
        raise ExportError(f"Version {version} of '{model_path.name}' gets no label: {not_ours}")
    check_whole(version_path)


def _version_of(label: str, labels: dict[str, int], name: str) -> int:
    if label in labels:
        return labels[label]
    there = f"It has {listing(labels)}.{did_you_mean(label, labels)}" if labels else "It has none."
    raise ExportError(f"'{name}' has no label '{label}'. {there} Set one with: textclf label {name} {label} VERSION")


def _before(model_path: Path, label: str, now: int) -> int | None:
    """Return where a label pointed before it was put where it points now; None if the log does not say.

    Each line that moves the label puts a version on a pile, and a rollback takes them off, down to where it went. The
    label's own version comes last if the log lacks it, as after a kill or a change by hand.
    """
    pile: list[int] = []
    for line in log.read(model_path):
        if line.facts.get("label") != label or line.facts.get("action") not in (LABELLED, ROLLED_BACK):
            continue
        version = line.facts.get("version")
        if line.facts["action"] == ROLLED_BACK:
            while pile and pile[-1] != version:
                pile.pop()
        if isinstance(version, int) and pile[-1:] != [version]:
            pile.append(version)
    if pile[-1:] != [now]:
        pile.append(now)
    return pile[-2] if len(pile) > 1 else None
