"""Models by their registered names, and models as files."""

from pathlib import Path

import keras

from textclf.config.models import import_attribute, model_entry
from textclf.errors import RunError, TextclfError
from textclf.models.base import TextModel


def model_class(name: str) -> type[TextModel]:
    """Return the class of a registered model; `ConfigError` names those there are."""
    found: type[TextModel] = import_attribute(model_entry(name).model)
    return found


def save_model(model: TextModel, path: Path) -> None:
    """Write a model's structure and weights in Keras' own format (`.keras`: JSON and HDF5, nothing pickled).

    The optimizer's variables, twice the size of the weights, are left out: nobody who loads the model steps on.
    """
    optimizer = getattr(model, "optimizer", None)
    model.optimizer = None
    try:
        model.save(path)
    finally:
        model.optimizer = optimizer


def load_model(path: Path, name: str) -> TextModel:
    """Read what `save_model` wrote.

    Args:
        path: The `.keras` file.
        name: The model's registered name, so that its class is known to Keras.

    Raises:
        RunError: The file is missing or broken, or holds another model.
        DataError: The model needs an extra that is not installed.
    """
    expected = model_class(name)
    if not path.exists():
        raise RunError(f"Expected a model at '{path}', found none. Is this a finished run directory?")
    try:
        model = keras.saving.load_model(path, compile=False)
    except TextclfError:
        raise
    except Exception as error:  # zipfile's, json's, h5py's and Keras' own: a broken file has them all
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise RunError(f"The model '{path}' cannot be read: {reason}. Train the run again.") from error
    if not isinstance(model, expected):
        raise RunError(f"Expected a model '{name}' at '{path}', found a {type(model).__name__}.")
    return model
