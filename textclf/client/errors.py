"""What asking a server can end in, each with what was expected, what came, and what to do."""

from textclf.errors import TextclfError


class ServingError(TextclfError):
    """The base of all errors of asking a server.

    Attributes:
        status: The HTTP status that was answered, over gRPC the one that stands for its code; None if no answer came.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class UnreachableError(ServingError):
    """No server answers at the address."""


class UnknownModelError(ServingError):
    """The server has no such model, or not this version of it."""


class UnknownLabelError(ServingError):
    """The model has no version with this label."""


class RefusedError(ServingError):
    """The server could not make sense of the request, or failed at it; its own words are in the message."""


class AccessError(ServingError):
    """The server wants an API key, or another one."""


class BusyError(ServingError):
    """The server had no room for the request, however often it was asked."""


class DeadlineError(ServingError):
    """No answer came in time."""


class ReplyError(ServingError):
    """What answered is no such server, or the model no classifier of textclf's."""
