"""A look, once a second, at the base paths and at the file that names them."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from textclf.engine.errors import Code, RequestError
from textclf.engine.models import Models
from textclf.errors import ConfigError, refusal

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

logger = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks, as TensorFlow Serving's `--file_system_poll_wait_seconds`."""


class Watch:
    """A thread that keeps models as their folders and their `models.config` say, for the time of a `with`.

    A file that cannot be read or is refused changes nothing: it is read again at the next look, since a label may point
    at a version that is not loaded yet. What is wrong is logged once.

    Args:
        models: The models; they have been told what to serve.
        config_file: Their `models.config`, if it is to be watched.
        applied: What `read_config` gave for it and `models.reload` got.
    """

    def __init__(
        self, models: Models, config_file: Path | None = None, applied: "ModelServerConfig | None" = None
    ) -> None:
        self._models, self._config_file, self._applied = models, config_file, applied
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="textclf-watch", daemon=True)
        self._told: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Look once."""
        # A version comes before the label that is put on it.
        self._try("The base paths", self._models.poll)
        if self._config_file is not None:
            self._try(f"'{self._config_file}'", self._reload)

    def _run(self) -> None:
        while not self._stopped.wait(SECONDS):
            self.look()

    def _reload(self) -> None:
        config = read_config(Path(str(self._config_file)))
        if config == self._applied:
            return
        try:
            self._models.reload(config)
        except RequestError as error:
            if error.code != Code.UNKNOWN:
                raise
            logger.warning("%s", error.message)  # it is served from now on, as soon as it can be loaded
        self._applied = config

    def _try(self, what: str, work: Callable[[], None]) -> None:
        """Do something that must not end the thread, whatever comes."""
        try:
            work()
        except Exception as error:
            if self._told.get(what) != str(error):
                logger.warning("%s: %s. What is served stays as it is.", what, str(error).rstrip("."))
            self._told[what] = str(error)
        else:
            self._told.pop(what, None)


def read_config(path: Path) -> "ModelServerConfig":
    """Return what a `models.config` says, which is protobuf's text format.

    Raises:
        ConfigError: It cannot be read.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' cannot be read: {refusal(error)}.") from None
    except text_format.ParseError as error:
        raise ConfigError(
            f"'{path}' cannot be read: {error}. Expected a ModelServerConfig of TensorFlow Serving as protobuf's text "
            "format."
        ) from None
