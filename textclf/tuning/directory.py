"""The directory of a search: begun, or gone on with if it is of the same search."""

from pathlib import Path
from typing import Any

from textclf.config import Config, dump_config, notation
from textclf.config.domains import SearchSpace
from textclf.errors import RunError
from textclf.runs.lock import INSIDE
from textclf.runs.resume import differences
from textclf.tuning.study import STUDY_FILE, Study


def open_study(path: Path, config: Config, space: SearchSpace, metric: str) -> Study:
    """Open the search in a directory, or make it.

    Args:
        path: The directory; nobody else writes there.
        config: Where the search begins.
        space: The fields to search.
        metric: The score that counts.

    Raises:
        RunError: Another search stands there, or something else, or its journal is damaged.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"'{path}' is a file; a search needs a directory. Choose another --run.")
    path.mkdir(exist_ok=True)
    others = {entry.name for entry in path.iterdir()} - {INSIDE}
    if others and STUDY_FILE not in others:
        raise RunError(f"'{path}' is there already and holds no search. Choose another --run.")
    try:
        study = Study(path / STUDY_FILE, space, config.seed)
    except (ValueError, KeyError, AttributeError) as error:  # as Optuna's journal answers what it cannot read
        raise RunError(
            f"The search's journal '{path / STUDY_FILE}' is damaged ({error}). Delete '{path}' to begin anew, or "
            "choose another --run."
        ) from error
    now = {"config": dump_config(config), "metric": metric, "space": {name: str(of) for name, of in space.items()}}
    before = study.facts.get("search")
    if before is None:
        study.remember({"search": now})
    elif changed := _changes(before, now, config):
        raise _other_search(path, changed)
    return study


def _changes(before: dict[str, Any], now: dict[str, Any], config: Config) -> list[str]:
    """Return in words what is asked for now and was not when the search was begun."""
    changed = differences(Config.make(notation.parse(before["config"])), config)
    if before["metric"] != now["metric"]:
        changed.append(f"--metric was {before['metric']}, is {now['metric']}")
    old, new = before["space"], now["space"]
    return changed + [
        f"the domain of {name} was {old.get(name, 'none')}, is {new.get(name, 'none')}"
        for name in sorted(old | new)
        if old.get(name) != new.get(name)
    ]


def check_data(path: Path, study: Study, fingerprint: str) -> None:
    """Refuse to go on with other data than before; `fingerprint` is that of train and dev."""
    before = study.facts.get("data")
    if before is None:
        study.remember({"data": fingerprint})
    elif before != fingerprint:
        raise _other_search(path, [f"the data had the fingerprint {before}, has {fingerprint}"])


def _other_search(path: Path, changed: list[str]) -> RunError:
    return RunError(
        f"The search in '{path}' was begun with something else: {'; '.join(changed)}. Take that back to go on with it, "
        f"choose another --run, or delete '{path}' to begin anew."
    )
