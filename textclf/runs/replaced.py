"""The run that a new one replaces, beside it until the new one has a model, so that a new run that fails costs none."""

import itertools
import logging
import shutil
from pathlib import Path

from textclf.errors import RunError
from textclf.runs.directory import OWN
from textclf.runs.files import MODEL_FILE, set_aside
from textclf.writing import UNFINISHED

logger = logging.getLogger(__name__)


class ReplacedRun:
    """A run that is set aside under a name with a dot, and put back or removed.

    Args:
        path: Where the new run is written, for messages.
        directory: The same, absolute and with links followed.

    Attributes:
        place: Where the old run stays.
    """

    def __init__(self, path: Path, directory: Path) -> None:
        """Look up where one would be; `set_aside` makes it."""
        self._path, self._directory, self.place = path, directory, set_aside(directory)

    @property
    def is_there(self) -> bool:
        """Whether there is one: set aside by us, or by a process that was killed."""
        return self.place.exists()

    def set_aside(self) -> None:
        """Move the run that stands in the directory; one that a killed run had set aside is the better one.

        Raises:
            RunError: We are inside, or the system refuses.
        """
        self.check_movable()
        try:
            if self.is_there and not (self._directory / MODEL_FILE).is_file():
                _carry_over(self._directory, self.place)
                shutil.rmtree(self._directory)
                return
            if self.is_there:
                _carry_over(self.place, self._directory)
                shutil.rmtree(self.place)
            self._directory.rename(self.place)
        except OSError as error:
            raise RunError(f"'{self._path}' cannot be replaced: {error}. Choose another --run.") from error

    def check_movable(self) -> None:
        """Refuse to move the folder that we are in: it would move with us, and `.` would be the old run."""
        here = Path.cwd()
        if self._directory in (here, *here.parents):
            raise RunError(
                f"--force cannot replace '{self._path}' from inside: the current folder is '{here}'. "
                f"Change to another one first: cd '{self._directory.parent}'"
            )

    def put_back(self) -> None:
        """Give the run that would have been replaced its name again, if that is free."""
        if self.is_there and not self._directory.exists():
            self.place.rename(self._directory)

    def remove(self) -> None:
        """Remove the old run, now that the new one has a model; what is not a run's own stays with the new one."""
        try:
            if self.is_there:
                _carry_over(self.place, self._directory)
                shutil.rmtree(self.place)
        except OSError as error:
            logger.warning("The run that was replaced cannot be removed from '%s': %s", self.place, error)


def _carry_over(source: Path, target: Path) -> None:
    """Move what is not a run's own out of a run that is removed: notes that somebody put there."""
    for entry in sorted(source.iterdir()):
        if entry.name in OWN or entry.name.startswith(UNFINISHED):
            continue
        numbered = (f"{entry.stem}-{number}{entry.suffix}" for number in itertools.count(2))
        names = itertools.chain([entry.name], numbered)
        entry.rename(next(target / name for name in names if not (target / name).exists()))
