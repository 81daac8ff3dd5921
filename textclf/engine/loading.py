"""A version made ready: opened as its signature demands, loaded, warmed up."""

from pathlib import Path

from textclf.engine.errors import Code, RequestError
from textclf.engine.servable import Servable
from textclf.engine.warmup import warm_up
from textclf.errors import TextclfError
from textclf.serving.opening import opened


def load(name: str, version: int, path: Path) -> Servable:
    """Return a version that is ready to be asked.

    A version under a `trust.yaml` is read once, its signature is checked, and what was checked is what is loaded.

    Args:
        name: The model.
        version: Its number.
        path: Folder of the version.

    Raises:
        RequestError: It cannot be loaded, with TensorFlow's own code and message; FAILED_PRECONDITION if it is not
            signed as demanded.
    """
    try:
        with opened(path) as folder:
            servable = Servable(name, version, path, folder)
            try:
                warm_up(servable, folder)
            except BaseException:
                servable.close()
                raise
            return servable
    except TextclfError as error:
        raise RequestError(Code.FAILED_PRECONDITION, str(error)) from None
