"""The models there are: the one place where a model is registered.

An entry names the model's options and its class as `module:attribute` and imports neither, so that
a config is checked, and refused, before TensorFlow's seconds of start-up.
"""

import importlib
from dataclasses import dataclass
from typing import Any

from textclf.config.section import ModelOptions
from textclf.errors import ConfigError, did_you_mean, listing


@dataclass(frozen=True)
class ModelEntry:
    """Where the parts of a model are found, each as `module:attribute`.

    Attributes:
        config: The `ModelOptions` of the model.
        model: The class that `textclf.models.builder` builds and trains.
    """

    config: str
    model: str


MODELS: dict[str, ModelEntry] = {
    "textcnn": ModelEntry("textclf.config.textcnn:TextCNNConfig", "textclf.models.textcnn:TextCNN"),
    "bert": ModelEntry("textclf.config.bert:BertConfig", "textclf.models.bert:Bert"),
    "linear": ModelEntry("textclf.config.linear:LinearConfig", "textclf.models.linear:Linear"),
}


def model_entry(name: str) -> ModelEntry:
    """Return the entry of a registered model; `ConfigError` names those there are."""
    if name not in MODELS:
        raise ConfigError(f"model: {unknown_model(name)}")
    return MODELS[name]


def unknown_model(name: str) -> str:
    """Return words for a model that is not registered, with those that are."""
    return f"expected one of {listing(MODELS)}, got '{name}'.{did_you_mean(name, MODELS)}"


def model_config_class(name: str) -> type[ModelOptions]:
    """Return the options' class of a registered model, without importing the model.

    Example:
        >>> model_config_class("textcnn").__name__
        'TextCNNConfig'
    """
    config_class: type[ModelOptions] = import_attribute(model_entry(name).config)
    return config_class


def import_attribute(path: str) -> Any:
    """Import `module:attribute`.

    Example:
        >>> import_attribute("math:pi")
        3.141592653589793
    """
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
