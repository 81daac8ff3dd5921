"""A look at the base paths, and at the config that names them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from textclf.engine.errors import Code, RequestError
from textclf.engine.models import Models

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

SECONDS = 1.0
"""Between two looks, as TensorFlow Serving's `--file_system_poll_wait_seconds`."""


class Watch:
    """Keeps models as their config and their folders say, by a look whenever somebody calls for one.

    A config that cannot be read or is refused changes nothing: it is read again at the next look, since a label may
    point at a version that is not loaded yet. What is wrong is said once.

    Args:
        models: The models.
        read: What returns their config, which is asked for at each look.
        say: What tells the operator what is wrong; `Models.statuses` says how each version is.
    """

    def __init__(self, models: Models, read: Callable[[], "ModelServerConfig"], say: Callable[[str], None]) -> None:
        self._models, self._read, self._say = models, read, say
        self._applied: ModelServerConfig | None = None
        self._told: dict[str, str] = {}
        self._unreadable: dict[str, str] = {}

    def look(self) -> None:
        """Look once; this takes as long as what has appeared takes to load."""
        if self._applied is not None:  # a version comes before the label that is put on it
            self._try("The base paths", self._models.poll)
        self._try("The config", self._reload)
        self._tell_unreadable()

    def _reload(self) -> None:
        config = self._read()
        if config == self._applied:
            return
        try:
            self._models.reload(config)
        except RequestError as error:  # UNKNOWN: taken, though a model has nothing but versions that cannot be loaded
            if error.code != Code.UNKNOWN:
                raise
        self._applied = config

    def _tell_unreadable(self) -> None:
        """Tell, once, of base paths that cannot be read, and that can again, of models that are still served."""
        now, before = self._models.unreadable(), self._unreadable
        for name, why in now.items():
            if before.get(name) != why:
                self._say(f"{name}: its base path cannot be read: {why}. What is loaded of it stays.")
        for name in sorted(before.keys() & {*self._models.names()} - now.keys()):
            self._say(f"{name}: its base path can be read again.")
        self._unreadable = now

    def _try(self, what: str, work: Callable[[], None]) -> None:
        """Do something that must not end the server, whatever comes."""
        try:
            work()
        except Exception as error:
            if self._told.get(what) != str(error):
                self._say(f"{what}: {str(error).rstrip('.')}. What is served stays as it is.")
            self._told[what] = str(error)
        else:
            self._told.pop(what, None)
