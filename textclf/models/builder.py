"""Models by their registered names, and models as files."""

from pathlib import Path

import keras

from textclf.config.models import import_attribute, model_entry
from textclf.errors import RunError
from textclf.models.base import TextModel


def model_class(name: str) -> type[TextModel]:
    """Return the class of a registered model; `ConfigError` names those there are."""
    found: type[TextModel] = import_attribute(model_entry(name).model)
    return found


def save_model(model: TextModel, path: Path) -> None:
    """Write a model's structure and weights in Keras' own format (`.keras`: JSON and HDF5, nothing pickled)."""
    model.save(path)


def load_model(path: Path, name: str) -> TextModel:
    """Read what `save_model` wrote.

    Args:
        path: The `.keras` file.
        name: The model's registered name, so that its class is known to Keras.

    Raises:
        RunError: The file is missing or broken.
    """
    model_class(name)
    try:
        model: TextModel = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"Expected a model at '{path}', but it cannot be read: {error}") from None
    return model
