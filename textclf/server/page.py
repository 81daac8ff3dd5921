"""The page at `/` to try a model in a browser, and the list of models that it shows; the contract knows neither.

What it asks for is `/v1/…` as for any client, from the server that it came from and nobody else.
"""

import functools
import json
from importlib import resources
from typing import TYPE_CHECKING

from textclf.engine.errors import RequestError

if TYPE_CHECKING:
    from textclf.engine.models import Models

MODELS_PATH = "/models.json"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""What goes along with each of the page's files."""


def page_file(path: str) -> tuple[str, bytes] | None:
    """Return the content type and the bytes of one of the page's files; None for any other path.

    Args:
        path: The path of the request, without its query.

    Example:
        >>> content_type, content = page_file("/")
        >>> content_type
        'text/html; charset=utf-8'
    """
    if path not in _FILES:
        return None
    name, content_type = _FILES[path]
    return content_type, _content(name)


@functools.cache
def _content(name: str) -> bytes:
    return resources.files("textclf.server").joinpath("page_files", name).read_bytes()


def models_json(models: "Models", names: list[str]) -> bytes:
    """Return what the page lists, as JSON: `{"models": [{"name", "versions", "labels", "inputs"}, …]}`.

    Versions are strings, here as in the contract: JavaScript's numbers are exact up to 2⁵³ only.

    Args:
        models: The models that are served.
        names: Those that the client may see.
    """
    return json.dumps({"models": [_model(models, name) for name in names]}, ensure_ascii=False).encode()


def _model(models: "Models", name: str) -> dict[str, object]:
    """Return a model's versions with their states, its labels, and what its newest version takes."""
    try:
        statuses = models.statuses(name)
    except RequestError:  # none of it is there yet, or any more
        statuses = []
    versions = [
        {"version": str(status.version), "state": status.state.name, "error": status.message} for status in statuses
    ]
    labels = {label: str(version) for label, version in models.labels(name).items()}
    return {"name": name, "versions": versions, "labels": labels, "inputs": _inputs(models, name)}


def _inputs(models: "Models", name: str) -> list[str]:
    try:
        with models.lease(name) as servable:
            signature = servable.signatures.get("serving_default")
            return sorted(signature.inputs) if signature is not None else []
    except RequestError:
        return []
