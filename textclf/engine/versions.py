"""The state of a version, as TensorFlow Serving reports it."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from textclf.engine.errors import Code, RequestError
from textclf.engine.servable import Servable

_LONGEST_WAIT = 60.0
"""Seconds, after which TensorFlow Serving too tries again."""


class State(enum.IntEnum):
    """The states of a version, by the numbers of `tensorflow.serving.ModelVersionStatus.State`."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class VersionStatus(NamedTuple):
    """What is reported of a version.

    Attributes:
        version: Its number.
        state: Its state.
        code: OK, or why it could not be loaded.
        message: The same in words; empty if OK.
    """

    version: int
    state: State
    code: Code
    message: str


@dataclass
class Version:
    """A version on its way from START to END; whoever changes it holds the lock of its `Models`.

    Attributes:
        number: Its number.
        state: Its state.
        error: Why it could not be loaded the last time.
        servable: What is asked, while it is AVAILABLE or UNLOADING.
        leases: How many hold it.
        failures: How often it could not be loaded, one after the other.
        due: When the next load is due, in seconds of a clock that never goes back.
    """

    number: int
    state: State = State.START
    error: RequestError | None = None
    servable: Servable | None = None
    leases: int = 0
    failures: int = 0
    due: float = 0.0

    @property
    def status(self) -> VersionStatus:
        """What is reported of it."""
        if self.error is None:
            return VersionStatus(self.number, self.state, Code.OK, "")
        return VersionStatus(self.number, self.state, self.error.code, self.error.message)

    def is_due(self, now: float) -> bool:
        """Say whether it is to be loaded: for the first time, or again after it failed."""
        return self.state == State.START or (self.error is not None and now >= self.due)

    def fail(self, error: RequestError, now: float) -> None:
        """Note that it could not be loaded; it is due again after a second, and ever later if that does not help."""
        self.state, self.error = State.END, error
        self.due = now + min(2.0**self.failures, _LONGEST_WAIT)
        self.failures += 1
