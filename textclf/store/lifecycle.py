"""Versions come, go out of the server's sight and come back.

A kill at any moment leaves no label on a version that is not live: what leaves loses its labels first, and what comes
is named in models.config last.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textclf.errors import ExportError, listing, refusal
from textclf.store import log, models_config
from textclf.store import versions as numbered
from textclf.store.lock import locked
from textclf.store.versions import RETIRED, find_model, find_version, versions

PUBLISHED = "published"


def publish_version(
    unfinished: Path,
    model_path: Path,
    served_from: str | None = None,
    *,
    check: Callable[[], None] = lambda: None,
    **facts: Any,
) -> Path:
    """Make a version of what was written: rename it to the next number, see to models.config, log it.

    Args:
        unfinished: A whole version under a name that is no number, in `model_path`.
        model_path: Folder of the model.
        served_from: Where the server sees the models' folder; see `models_config.refresh`.
        check: Called when nobody else can change the model any more; if it raises, nothing is published.
        facts: What else the log is to say, as JSON takes it.

    Returns:
        Folder of the version.

    Raises:
        OSError: It could not be renamed.
        ExportError: models.config could not be read or written, and nothing was published; or the log could not be
            written, and the message says that the version is there all the same.
    """
    with locked(model_path):
        check()
        # What models.config says of a model does not hang on the newest version, so it can come first.
        gone = models_config.refresh(model_path.parent, model_path.name, served_from)
        path = numbered.publish(unfinished, model_path)
        try:
            log.append(
                model_path, PUBLISHED, version=int(path.name), **facts, **({"labels_gone": gone} if gone else {})
            )
        except ExportError as error:
            raise ExportError(f"Version {path.name} is published as '{path}', but: {error}") from None
    return path


def retire(base: str | Path, name: str, version: int, force: bool = False) -> list[str]:
    """Take a version from the server's sight; `restore` brings it back.

    Args:
        base: Folder of the served models.
        name: The model.
        version: The version.
        force: Whether it goes although labels point at it, which go too, or although it is the last live one.

    Returns:
        The labels that went too.

    Raises:
        ExportError: The model or the version is unknown, the version is not live, it is needed and there is no
            `force`, or something cannot be written.
    """
    model_path = find_model(base, name)
    with locked(model_path):
        source = find_version(model_path, version, "live", "Only what the server sees can be taken from its sight.")
        labels = models_config.read_labels(base, name)
        its = [label for label, where in labels.items() if where == version]
        others = [number for number in versions(model_path) if number != version]
        if not force:
            _check_not_needed(name, version, its, others)
        target = _free(model_path / RETIRED / str(version), source)
        models_config.write_labels(base, name, labels, others)
        try:
            _rename(source, target)
        except ExportError:
            models_config.write_labels(base, name, labels, [*others, version])
            raise
        log.append(model_path, "retired", version=version, **({"labels_gone": its} if its else {}))
    return its


def restore(base: str | Path, name: str, version: int) -> Path:
    """Bring a retired version back into the server's sight, and return its folder.

    Raises:
        ExportError: The model or the version is unknown, the version is not retired, its number is taken, or
            something cannot be written.
    """
    model_path = find_model(base, name)
    with locked(model_path):
        source = find_version(model_path, version, "retired", "Only what was retired can be restored.")
        target = _free(model_path / str(version), source)
        _rename(source, target)
        models_config.refresh(base, name)
        log.append(model_path, "restored", version=version)
    return target


def _check_not_needed(name: str, version: int, its: list[str], others: list[int]) -> None:
    if its:
        raise ExportError(
            f"Version {version} of '{name}' is labelled {listing(its)}. Move the label first, with `textclf label`, or "
            "retire it with its labels: --force."
        )
    if not others:
        raise ExportError(
            f"Version {version} is the last one of '{name}' that is live; without it the server has nothing to answer "
            "with. Retire it all the same with --force."
        )


def _free(target: Path, source: Path) -> Path:
    if target.exists():
        raise ExportError(f"'{target}' is in the way of '{source}'. Move it away.")
    return target


def _rename(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        source.rename(target)
    except OSError as error:
        raise ExportError(f"'{source}' cannot be moved to '{target}': {refusal(error)}.") from None
