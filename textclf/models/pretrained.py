"""Pretrained BERTs: what a preset says of itself, and its weights in keras-hub's backbone."""

import functools
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from textclf.config.presets import local_directory
from textclf.errors import ConfigError, listing
from textclf.models.preset_files import KERAS_WEIGHTS, SAFETENSORS, first_file, preset_directory, resave_command
from textclf.models.preset_layouts import read_backbone, read_tokens
from textclf.optional import import_optional
from textclf.text.wordpiece_vocabulary import check_wordpieces

ACTIVATIONS = {
    "gelu": keras.activations.gelu,
    "gelu_approximate": functools.partial(keras.activations.gelu, approximate=True),
}

# What keras-hub, Keras and h5py raise of weights that are broken or others than they should be.
_BROKEN = (AttributeError, KeyError, OSError, TypeError, UserWarning, ValueError)


@dataclass(frozen=True)
class Pretrained:
    """A pretrained BERT that was found; `load_into` reads its weights.

    Attributes:
        preset: What was asked for.
        backbone: Sizes: the arguments of `keras_hub.models.BertBackbone` but for `dropout`, `dtype` and `name`.
        activation: That of the feed-forward layers, as the weights were trained: `gelu`, by the error function, or
            `gelu_approximate`, by tanh (both in Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415).
        vocabulary: The word pieces in the order of their ids.
        lowercase: Whether texts are lower-cased and lose their accents, as for an uncased BERT.
    """

    preset: str
    backbone: dict[str, Any]
    activation: str
    vocabulary: tuple[str, ...] = field(repr=False)
    lowercase: bool

    def load_into(self, backbone: Any) -> None:
        """Load the weights into a `keras_hub.models.BertBackbone` of the preset's sizes.

        Tensor by tensor where they are in Hugging Face's layout, so that they are in memory once. The activation is
        not theirs: `set_activation` sets it.

        Args:
            backbone: Of any dtype policy; the weights of all are float32.

        Raises:
            ConfigError: The weights cannot be fetched or read, or are not of the sizes that the preset gives.
            DataError: The extra `bert` is not installed.
        """
        with self._reading() as directory:
            if first_file(directory, SAFETENSORS):
                _load_safetensors(backbone, directory)
            else:
                _load_keras_weights(backbone, first_file(directory, KERAS_WEIGHTS))

    def check_weights(self) -> None:
        """Refuse files of weights that are cut off, as `load_into` does, without reading all; no hub is asked."""
        if local_directory(self.preset) is None:
            return
        what = f"The preset '{self.preset}'"
        safetensors, h5py = import_optional("safetensors", "bert", what), import_optional("h5py", "bert", what)
        with self._reading() as directory:
            if first_file(directory, SAFETENSORS):
                for path in directory.glob("model*.safetensors"):
                    with safetensors.safe_open(path, "numpy"):  # compares the length with that of all tensors
                        pass
            else:
                for path in directory.glob("model*.weights.h5"):
                    h5py.File(path).close()

    @contextmanager
    def _reading(self) -> Iterator[Path]:
        """Give the directory with the weights; what reading them raises becomes a `ConfigError`."""
        safetensors = import_optional("safetensors", "bert", f"The preset '{self.preset}'")
        directory = preset_directory(self.preset, weights=True)
        try:
            yield directory
        except (safetensors.SafetensorError, *_BROKEN) as error:
            way_out = "Expected whole files, of the sizes that config.json gives. Copy or download them again."
            if "pooler" in str(error):
                way_out = (
                    "Hugging Face adds one, in the new folder bert; name that as preset:\n  "
                    f"{resave_command(directory)}"
                )
            raise ConfigError(
                f"model.preset: the weights in '{directory}' cannot be read ({error}). {way_out}"
            ) from error


def find_pretrained(preset: str) -> Pretrained:
    """Return what a preset says of itself, without reading its weights.

    Args:
        preset: `minilm`, a local directory in keras-hub's or Hugging Face's layout, `hf://owner/name`,
            `kaggle://owner/model/keras/name`, or a handle of keras-hub's such as `bert_base_zh`.

    Raises:
        ConfigError: The preset cannot be found or fetched, or is no BERT that keras-hub's backbone can hold.
        DataError: The extra `bert` is not installed.
    """
    directory = preset_directory(preset, weights=False)
    backbone, activation = read_backbone(directory)
    vocabulary, lowercase, path = read_tokens(directory)
    if len(vocabulary) > backbone["vocabulary_size"]:
        raise ConfigError(
            f"model.preset: the vocabulary '{path}' has {len(vocabulary)} tokens, but the weights, by config.json, "
            f"only {backbone['vocabulary_size']}."
        )
    try:
        check_wordpieces(vocabulary)
    except ConfigError as error:
        raise ConfigError(
            f"model.preset: the vocabulary '{path}' is not BERT's. {error} Take another preset."
        ) from None
    return Pretrained(preset, backbone, activation, vocabulary, lowercase)


def set_activation(backbone: Any, activation: str) -> None:
    """Set the activation of the feed-forward layers, which the backbone's own config does not hold.

    Call it before the backbone is first traced: what is compiled keeps the old one.

    Args:
        backbone: A `keras_hub.models.BertBackbone`, which is made with `gelu_approximate`.
        activation: `gelu` or `gelu_approximate`.

    Raises:
        ConfigError: It is neither.
    """
    if activation not in ACTIVATIONS:
        raise ConfigError(f"activation: expected one of {listing(ACTIVATIONS)}, got '{activation}'.")
    for layer in backbone.transformer_layers:
        layer._feedforward_intermediate_dense.activation = ACTIVATIONS[activation]


def _load_safetensors(backbone: Any, directory: Path) -> None:
    # keras-hub's own conversion, which its `from_preset` calls too, but there into a second backbone.
    from keras_hub.src.utils.transformers.convert_bert import convert_weights
    from keras_hub.src.utils.transformers.safetensor_utils import SafetensorLoader

    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    with SafetensorLoader(str(directory)) as loader:
        convert_weights(backbone, loader, config)


def _load_keras_weights(backbone: Any, path: Path | None) -> None:
    """Load a file of Keras weights; where Keras would warn that it left weights random, raise its warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Skipping nested container", category=UserWarning)
        backbone.load_weights(path)
