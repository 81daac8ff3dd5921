"""The ports that the server listens on: had before anything is loaded, or refused in words that help."""

import errno
import socket

from textclf.errors import RunError, refusal


def bound(host: str, port: int, what: str) -> socket.socket:
    """Return a socket that holds a port and does not listen yet, so that clients are not kept waiting by the load.

    Args:
        host: The address.
        port: The port; 0 for any that is free.
        what: REST or gRPC.

    Raises:
        RunError: It cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        holding = socket.socket(family, kind, protocol)
    except OSError as error:
        raise taken(host, port, what, error) from None
    try:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind(address)
    except OSError as error:
        holding.close()
        raise taken(host, port, what, error) from None
    return holding


def taken(host: str, port: int, what: str, why: OSError | str) -> RunError:
    """Return what tells that a port cannot be had, and why."""
    hint = f"Name another port: --{what.lower()}-port {port + 10}, or another address."
    if isinstance(why, socket.gaierror) or (isinstance(why, OSError) and why.errno == errno.EADDRNOTAVAIL):
        hint = "Name an address of this machine: --host."
    return RunError(
        f"{what} cannot listen on {host}:{port}: {refusal(why) if isinstance(why, OSError) else why}. {hint}"
    )


def in_url(host: str) -> str:
    """Return an address as it stands in front of a port.

    Example:
        >>> in_url("::1")
        '[::1]'
    """
    return f"[{host}]" if ":" in host else host
