"""Runs into versions of a served model: written, checked as a server would, and published at once."""

import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tqdm.auto import tqdm

from textclf.config.run import check_name
from textclf.errors import ExportError, refusal
from textclf.gate.verify import verify
from textclf.runs.directory import Run
from textclf.savedmodel.write import write_version
from textclf.serving.release import check_floors, compare_with_live, live_version
from textclf.store.lifecycle import publish_version
from textclf.writing import UNFINISHED, missing_folders, remove_empty, sync_folder

logger = logging.getLogger(__name__)

_LEFT = 24 * 3600
"""Seconds after which an unfinished version is that of a process that was killed."""


def export(
    run: Run | str | Path,
    name: str | None = None,
    base: str | Path = "saved_models",
    *,
    floors: Mapping[str, float] | None = None,
    allow_worse: bool = False,
    verified: bool = True,
    sign: Callable[[Path], str] | None = None,
    served_from: str | None = None,
    progress: bool = False,
) -> Path:
    """Export a run as the next version of a served model.

    The version is written beside its place under another name, checked, and renamed, so that TensorFlow Serving, which
    loads any directory with a number for a name, sees all of it or nothing. It is refused if the load gate finds
    something, if it scores below a floor, or if it is worse than the live version by more than chance.

    Args:
        run: The run or its directory.
        name: Name of the served model; the run's `config.name` if None.
        base: Where the served models are; TensorFlow Serving's `model_base_path` is `base/name`.
        floors: The lowest scores on test that will do, 0 to 1, by the score's name.
        allow_worse: Whether it is published without being compared with the live version.
        verified: Whether it is loaded and asked as a server does (`textclf verify`) before it is published.
        sign: What signs the version's folder when it is written, and returns the key's fingerprint.
        served_from: Where the server sees `base`, if it is not where we do: the beginning of the paths in
            `models.config`, where that names the model for the first time.
        progress: Whether a line a step goes to standard error.

    Returns:
        `base/name/version`; docs/export.md says what is in it.

    Raises:
        ConfigError: A floor is none.
        ExportError: The name cannot be a folder's and a model's, the version is refused, or the directory cannot be
            written. Nothing was published then, unless it says so: the log comes last.
        RunError: There is no run to export.

    Example:
        >>> export("runs/quickstart", name="routes").as_posix()
        'saved_models/routes/1'
    """
    run = run if isinstance(run, Run) else Run.load(run)
    name = name if name is not None else run.config.name
    try:
        check_name(name)
    except ValueError as error:
        raise ExportError(f"name: {error}.") from None
    tell = _to_standard_error if progress else logger.info
    check_floors(run, floors or {})
    release = _Release(run, base, name, allow_worse, tell)
    model_path = Path(base) / name
    made = missing_folders(model_path)
    try:
        model_path.mkdir(parents=True, exist_ok=True)
        _sweep(model_path)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=model_path))
        try:
            tell("Writing the graph, the warm-up records and the golden requests ...")
            write_version(run, unfinished, name)
            # Only its owner may enter what mkdtemp makes; a server runs as somebody else.
            unfinished.chmod(0o755)
            if sign is not None:
                release.facts["key"] = sign(unfinished)
            if verified:
                tell("Loading it as a server does, without Python, and asking it ...")
                _verify(unfinished, tell)
            sync_folder(unfinished)
            return release.publish(unfinished, served_from)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except BaseException as error:
        remove_empty(made)
        if isinstance(error, OSError | tf.errors.OpError):
            raise ExportError(f"'{model_path}' cannot be written: {refusal(error)}. Nothing was published.") from None
        raise


def _to_standard_error(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


class _OtherLiveError(Exception):
    """Clients get another version by now than the one that was compared with."""


class _Release:
    """What is published, compared with the version that is live then."""

    def __init__(self, run: Run, base: str | Path, name: str, allow_worse: bool, tell: Callable[[str], None]) -> None:
        """Compare with the version that is live now; `ExportError` if that is better."""
        self._run, self._base, self._name, self._allow_worse, self._tell = run, base, name, allow_worse, tell
        self.facts: dict[str, Any] = {"run": str(run.path), "data_fingerprint": run.results.get("data_fingerprint")}
        self._compared = self._compare()

    def publish(self, unfinished: Path, served_from: str | None) -> Path:
        """Publish it; if somebody else has published or moved the label meanwhile, compare again before."""
        while True:
            facts = self.facts | self._compared
            try:
                return publish_version(
                    unfinished, Path(self._base) / self._name, served_from, check=self._check, **facts
                )
            except _OtherLiveError:
                # Not under the lock: others would wait for a minute.
                self._compared = self._compare()

    def _check(self) -> None:
        if live_version(self._base, self._name) != self._live:
            raise _OtherLiveError

    def _compare(self) -> dict[str, Any]:
        """Return what the log says of the comparison."""
        self._live = live = live_version(self._base, self._name)
        if live is None:
            return {}
        if self._allow_worse:
            return {"not_compared_with": live}
        self._tell(f"Comparing it with version {live}, which is live, on the run's test split ...")
        compared = compare_with_live(self._run, self._base, self._name)
        if compared is None:
            return {}
        if compared.is_worse:
            raise ExportError(
                f"'{self._run.path}' is worse than version {live}, which is live, by more than chance: {compared}. "
                "Nothing was published. If it is to be all the same: --allow-worse."
            )
        self._tell(f"  {compared}")
        return {"compared_with": live, "comparison": str(compared)}


def _verify(unfinished: Path, tell: Callable[[str], None]) -> None:
    """Refuse a version that a server should not load."""
    report = verify(unfinished)
    if not report.accepted:
        found = "\n".join(f"  - {finding}" for finding in report.findings)
        raise ExportError(f"The load gate refuses this version; nothing was published:\n{found}")
    asked, first = sum(report.requests.values()), 1000 * report.measured["first_answer_warm_seconds"]
    tell(f"  accepted: {asked} requests; load {report.measured['load_seconds']:.2f} s, first answer {first:.1f} ms")


def _sweep(model_path: Path) -> None:
    """Remove what exports that were killed have left."""
    for left in model_path.glob(f"{UNFINISHED}*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > _LEFT:
            shutil.rmtree(left, ignore_errors=True)
