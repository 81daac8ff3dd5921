"""What one client may take before it is in the others' way."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of the REST server; those of gRPC are the same where it has them.

    Attributes:
        body_bytes: Size of a request's body, as it is sent and again as gunzip leaves it.
        all_bodies_bytes: Size of all bodies together that are held at a time.
        body_seconds: From a request's headers to the end of its body.
        idle_seconds: From one answer to the end of the next request's headers, on a connection that is kept.
        answer_seconds: From a request's body to its answer.
        send_seconds: From the answer to when the client has taken it.
        connections: Open at a time. The one that has kept the server waiting longest is closed for a new one.
        requests: Being answered at a time.
    """

    body_bytes: int = 4 * MIB
    all_bodies_bytes: int = 256 * MIB
    body_seconds: float = 30.0
    idle_seconds: float = 60.0
    answer_seconds: float = 30.0
    send_seconds: float = 30.0
    connections: int = 512
    requests: int = 256
