"""Writing a run directory, so that a kill, a full disk or a second process never costs a good run."""

import json
import logging
import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from textclf.config import Config, dump_config
from textclf.errors import RunError
from textclf.models.base import TextModel
from textclf.models.builder import save_model
from textclf.runs.files import (
    BAD_ROWS_FILE,
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    LABELS_FILE,
    LOGS_FOLDER,
    MODEL_FILE,
    PLOTS_FOLDER,
    SCORES_FILE,
    taken,
    way_back,
)
from textclf.runs.lock import INSIDE, DirectoryLock
from textclf.runs.replaced import ReplacedRun
from textclf.text.tokenizer import Tokenizer
from textclf.training.checkpoints import checkpoint_files
from textclf.writing import UNFINISHED, naming, put_in_place, replacing

logger = logging.getLogger(__name__)

Beginning: TypeAlias = Literal["new", "replace", "anew", "go on"]
"""What becomes of what stands where a run is written: it is in the way, or a run there is replaced; or one that was
killed begins anew in its place, or goes on."""


class RunWriter:
    """Writes a run directory file by file; each file is whole or not there.

    Nobody else writes the directory as long as the writer has it: until `close` or `abandon`, or the end of a
    `with` block, which abandons the run if it fails. A run that is replaced stays beside the new one, under a
    name with a dot, until the new one has a model; `abandon` puts it back, so that a new run that fails costs
    nothing.

    Args:
        path: Where to write.
        beginning: What becomes of what stands there.
        lock: The right to write there, if we have it already; the writer takes it over.

    Attributes:
        path: The same, for messages.
        directory: The same, absolute and with links followed: where everything is written.
        checkpoints: Where checkpoints are written; another worker than the chief sets it to where it reads them.
        saved_step: The step of the weights in `model.keras`; None if there are none, or they are not learnt in steps.

    Raises:
        RunError: Something stands there that may not be replaced, or another process writes there.
    """

    def __init__(self, path: Path, beginning: Beginning = "new", lock: DirectoryLock | None = None) -> None:
        """Make the directory."""
        self.path, self.directory = path, path.resolve()
        self._replaced = ReplacedRun(path, self.directory)
        self._written: list[Path] = []
        self._made_directory = False
        self.checkpoints = self.directory / CHECKPOINTS_FOLDER
        self.saved_step: int | None = None
        if self.directory.exists() and not self.directory.is_dir():
            raise RunError(f"'{path}' is a file; a run needs a directory. Choose another --run.")
        self._lock = lock or DirectoryLock(self.directory)
        try:
            if beginning == "anew":
                self._remove_begun()
            elif beginning != "go on":
                self._clear(force=beginning == "replace")
            self._made_directory = not self.directory.exists()
            self.directory.mkdir(exist_ok=True)
            self._sweep()
        except BaseException:
            self._replaced.put_back()
            self.close()
            raise

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abandon()
        self.close()

    def _clear(self, force: bool) -> None:
        """Set aside the run that is replaced, or refuse."""
        put_back = self._replaced.is_there and not self._entries()
        if put_back:
            # Killed before it wrote anything, the one that set it aside left the only run there is.
            self._replaced.check_movable()
            if self.directory.exists():
                self.directory.rmdir()
            self._replaced.put_back()
        entries = self._entries()
        if not entries:
            return
        if not force:
            killed = (
                f"\nA killed `train --force` had set it aside as '{self._replaced.place}'; it was put back just now."
            )
            raise taken(self.path, killed if put_back else way_back(self.path, ours=True))
        # A config alone does not make a run: `textclf init` writes one where the user works.
        lacking = [name for name in (CONFIG_FILE, LABELS_FILE) if name not in entries]
        if lacking and UNFINISHED + LABELS_FILE not in entries:
            raise RunError(f"'{self.path}' is no run directory (no {lacking[0]} in it), so --force does not remove it.")
        self._replaced.set_aside()

    def _remove_begun(self) -> None:
        """Remove what a run that begins anew does not write over; the folder stays, which may be a mounted one.

        Until the new run has written them, the old config, labels and vocabulary show whose folder it is.
        """
        (self.directory / BAD_ROWS_FILE).unlink(missing_ok=True)
        for folder in (self.directory / LOGS_FOLDER, self.checkpoints):
            if folder.exists():
                shutil.rmtree(folder)

    def _sweep(self) -> None:
        """Remove what a process that was killed had not written to its end."""
        for left in self.directory.glob(f"{UNFINISHED}*"):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()

    def _entries(self) -> set[str]:
        if not self.directory.exists():
            return set()
        return {entry.name for entry in self.directory.iterdir()} - {INSIDE}

    def abandon(self) -> None:
        """Undo a run that failed before it had a model: remove its files, and put the one that it replaced back."""
        if not (self.directory / MODEL_FILE).is_file() and not checkpoint_files(self.directory / CHECKPOINTS_FOLDER):
            self._remove_written()
            if self._replaced.is_there and self.directory.exists():
                # Somebody else's files, or ours if they cannot be removed, are in the way of the old run.
                left = Path(tempfile.mkdtemp(prefix=f"{self.directory.name}.failed-", dir=self.directory.parent))
                self.directory.replace(left / self.directory.name)
                logger.warning("What is left of the run that failed is in '%s'.", left)
            self._replaced.put_back()
        self.close()

    def _remove_written(self) -> None:
        """Remove what this writer wrote and the folder that it made; anything else stays."""
        try:
            for path in self._written:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            if self._made_directory and not self._entries():
                self.directory.rmdir()
        except OSError as error:
            logger.warning("The run that failed cannot be removed from '%s': %s", self.path, error)

    @property
    def has_written(self) -> bool:
        """Whether anything was written; if not, what stands there is as it was."""
        return bool(self._written)

    def close(self) -> None:
        """Let others write the directory."""
        self._lock.release()

    def make_logs(self) -> Path:
        """Make the folder for TensorBoard's files and return it."""
        logs = self.directory / LOGS_FOLDER
        if not logs.exists():
            self._written.append(logs)
            logs.mkdir()
        return logs

    def write_start(self, config: Config, labels: list[str], tokenizer: Tokenizer) -> None:
        """Write what is known before training."""
        # Of config and labels, something that only a run has is there whenever we are killed: first the
        # unfinished labels, then the labels. So --force knows the folder for ours.
        with self.writing(LABELS_FILE) as unfinished_labels:
            _write_json(unfinished_labels, labels)
            with self.writing(CONFIG_FILE) as unfinished_config:
                unfinished_config.write_text(dump_config(config), encoding="utf-8", newline="\n")
        with naming(self.directory), tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=self.directory) as folder:
            tokenizer.save(Path(folder))
            for written in sorted(Path(folder).iterdir()):
                self._written.append(self.directory / written.name)
                put_in_place(written, self.directory / written.name)

    def write_model(self, model: TextModel, step: int | None = None) -> None:
        """Write the model, with the weights of a step, replacing an older one at once."""
        with replacing(self.directory / MODEL_FILE) as unfinished:
            save_model(model, unfinished)
        self.saved_step = step
        self._replaced.remove()

    def write_results(self, results: dict[str, Any]) -> None:
        """Write `scores.json`; a run that has it is finished, and needs no checkpoints."""
        with self.writing(SCORES_FILE) as unfinished:
            _write_json(unfinished, results)
        shutil.rmtree(self.directory / CHECKPOINTS_FOLDER, ignore_errors=True)

    def remove_plots(self) -> None:
        """Remove the plots of a report that was not finished: beside them, none is written without --force."""
        shutil.rmtree(self.directory / PLOTS_FOLDER, ignore_errors=True)

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Give a path to write the file of a name to; it gets the name when the block ends well."""
        self._written.append(self.directory / name)
        return replacing(self.directory / name)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8", newline="\n")
