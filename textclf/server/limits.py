"""What one client may take before it is in the others' way."""

from dataclasses import dataclass

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

MIB = 1 << 20
HANDSHAKE_SECONDS = 10.0
"""From a connection's beginning to the end of its handshake, of TLS and of HTTP/2."""


@dataclass(frozen=True)
class Limits:
    """Bounds of both servers; where gRPC keeps them otherwise than REST, it is said.

    A call of gRPC without a known key is refused before its message is read. Of those with one, as many messages are
    read at once as fit `all_bodies_bytes`, each for `body_seconds`, or for two while others wait to be read; of one
    that waits, gRPC takes 64 KiB. What has come of a message counts when all of it has: so `all_bodies_bytes` may be
    there twice. `answer_seconds` and `send_seconds` are not kept: a call has its client's deadline, or none.

    Attributes:
        body_bytes: Size of a request's body, as it is sent and again as gunzip leaves it; of a gRPC message
            (RESOURCE_EXHAUSTED).
        all_bodies_bytes: Size of all bodies, messages and replies of REST together that are held at a time.
        body_seconds: From a request's headers to the end of its body (gRPC: DEADLINE_EXCEEDED).
        idle_seconds: From one answer to the end of the next request's headers, on a connection that is kept; over gRPC
            since the last call ended.
        answer_seconds: From a request's body to its answer; a large one that is being parsed then is refused when that
            has ended.
        send_seconds: From the answer to when the client has taken it.
        connections: Open at a time, at each port. At REST's, the one that has kept the server waiting longest is closed
            for a new one; at gRPC's, the new one is.
        large_requests: Requests of 64 KiB or more that are parsed and run at a time, at both ports together; others
            wait, half as many as `requests`, and more are refused. What is parsed takes up to 50 times its size.
        requests: Being answered at a time, at each port; those of gRPC from when their message is waited for. More are
            refused (503, UNAVAILABLE), and more streams on one connection of gRPC wait at the client.
    """

    body_bytes: int = 4 * MIB
    all_bodies_bytes: int = 256 * MIB
    body_seconds: float = 30.0
    idle_seconds: float = 60.0
    answer_seconds: float = 30.0
    send_seconds: float = 30.0
    connections: int = 512
    large_requests: int = 2
    requests: int = 256


_OTHER_DESCRIPTORS = 128
"""What is open beside connections: libraries, logs, the files of versions while they are loaded."""


def take_descriptors(limits: Limits) -> str:
    """Let the process open as many files as the limits of both ports ask for.

    Returns:
        What the operator should know; nothing if all is well.
    """
    if resource is None:
        return ""
    needed = 2 * limits.connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most == needed:
        return ""
    return (
        f"The process may open {most} files, and {limits.connections} connections at each of two ports ask for "
        f"{needed}: clients may be kept waiting. Raise the limit (`ulimit -Hn`)."
    )
