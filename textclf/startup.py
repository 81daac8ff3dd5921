"""TensorFlow without its start-up chatter."""

import os
import sys
import tempfile
import warnings

LOG_LEVEL, QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"


def import_tensorflow(with_text: bool = True) -> None:
    """Import TensorFlow and tensorflow-text with standard error held back; it is shown if the import fails by itself.

    Without text, TensorFlow alone: for a process that loads the ops of tensorflow-text by other means.

    The native libraries write to the file descriptor before any of their log levels counts. Who has set
    `TF_CPP_MIN_LOG_LEVEL` to less than 3 wants to see what TensorFlow says: then nothing is held back. (At 3
    nobody does; a child process inherits that from a parent that came through here.)
    """
    if "tensorflow" in sys.modules and ("tensorflow_text" in sys.modules or not with_text):
        return
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        kept = os.dup(2) if os.environ.get(LOG_LEVEL, QUIET) == QUIET else None
    except OSError:  # a service without a standard error
        kept = None
    if kept is None:
        _import(with_text)
        return
    os.environ[LOG_LEVEL] = QUIET
    if sys.stderr is not None:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            _import(with_text)
        except KeyboardInterrupt:  # the user knows why
            raise
        except BaseException:
            held_back.seek(0)
            os.write(kept, held_back.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _import(with_text: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow

        if with_text:
            import tensorflow_text  # noqa: F401
    tensorflow.config.list_physical_devices()
