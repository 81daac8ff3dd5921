"""What a request is refused with: a canonical code of gRPC, and a message as TensorFlow Serving words it."""

import enum


class Code(enum.IntEnum):
    """The canonical codes, by the numbers of gRPC and of `TF_Status`."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @property
    def http_status(self) -> int:
        """The status that TensorFlow Serving gives to it over REST (`util/net_http`, `http_rest_api_util.cc`).

        Example:
            >>> Code.RESOURCE_EXHAUSTED.http_status
            429
        """
        return _HTTP_STATUSES.get(self, 500)


_HTTP_STATUSES = {
    Code.OK: 200,
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}


class RequestError(Exception):
    """A request that is refused; it never ends the server.

    Attributes:
        code: The canonical code.
        message: What the client gets to read.
    """

    def __init__(self, code: Code, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.code, self.message = code, message


def invalid(message: str) -> RequestError:
    """Return the refusal of a request that does not fit what it asks."""
    return RequestError(Code.INVALID_ARGUMENT, message)
