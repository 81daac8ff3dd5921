"""TensorFlow without its start-up chatter."""

import os
import sys
import tempfile
import warnings


def import_tensorflow() -> None:
    """Import TensorFlow and tensorflow-text with standard error held back; it is shown if the import fails.

    The native libraries write to the file descriptor before any of their log levels counts.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import tensorflow
                import tensorflow_text  # noqa: F401
            tensorflow.config.list_physical_devices()
        except BaseException:
            held_back.seek(0)
            os.write(kept, held_back.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
