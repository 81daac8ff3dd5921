"""The files of a version, read as TensorFlow reads them, out of memory too."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from textclf.engine.errors import Code, RequestError


@contextmanager
def reading(hint: str = "") -> Iterator[None]:
    """Turn what TensorFlow says of a file into what is reported of a version that cannot be loaded.

    Args:
        hint: What to say after it.
    """
    try:
        yield
    except tf.errors.OpError as error:
        raise RequestError(Code(error.error_code), f"{error.message}{hint}") from None
