"""The API key that commands show to a server."""

import os

from textclf.cli.options import API_KEY
from textclf.client.rest import check_key


def key_for(server: str) -> str | None:
    """Return the key that the environment holds for a server; None if it is empty or not set.

    Raises:
        ServingError: It cannot be one, or the address holds a name and password too.
    """
    key = os.environ.get(API_KEY) or None
    if key is not None:
        check_key(key, server, API_KEY)
    return key
