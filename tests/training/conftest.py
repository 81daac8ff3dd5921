"""What the tests of training share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from textclf.config import Config
from textclf.data import load_corpus
from textclf.models.builder import model_class
from textclf.models.tasks import SingleLabel
from textclf.text.tokenizer import Tokenizer
from textclf.training.loop import Trainer
from textclf.training.prediction import Encoded
from textclf.training.train import encode


class Prepared(NamedTuple):
    """A config with everything that a trainer needs."""

    config: Config
    labels: list[str]
    tokenizer: Tokenizer
    splits: dict[str, Encoded]

    def model(self, seed: int | None = None) -> Any:
        """Return a new model whose first weights follow from the seed."""
        seed = self.config.seed if seed is None else seed
        keras.utils.set_random_seed(seed)
        return model_class(self.config.model.name).create(self.config.model, self.tokenizer, len(self.labels), seed)

    def trainer(self, seed: int | None = None, **options: Any) -> Trainer:
        """Return a trainer of a new model."""
        config = self.config if seed is None else self.config.model_copy(update={"seed": seed})
        return Trainer(self.model(seed), SingleLabel(), self.labels, config, **options)

    def fit(self, trainer: Trainer) -> Any:
        """Train on train and dev."""
        return trainer.fit(self.splits["train"], self.splits["dev"])


@pytest.fixture(scope="session")
def prepare(tiny_config: Callable[..., Config]) -> Callable[..., Prepared]:
    """Make a config from overrides, and all that a trainer needs."""

    def make(*overrides: str) -> Prepared:
        config = tiny_config(*overrides)
        corpus = load_corpus(config.data, config.seed)
        tokenizer = model_class(config.model.name).make_tokenizer(config, corpus.train.texts)
        return Prepared(config, corpus.labels, tokenizer, encode(corpus, tokenizer, config))

    return make


@pytest.fixture
def batch(prepare: Callable[..., Prepared]) -> tuple[np.ndarray, np.ndarray]:
    """Return ids, `int32[11, time]`, and targets, `int32[11]`."""
    train = prepare().splits["train"]
    return train.ids[:11].to_tensor(0).numpy(), train.targets[:11]


Points = dict[str, dict[int, Any]]


@pytest.fixture(scope="session")
def read_events() -> Callable[[Path], Points]:
    """Read what stands in a folder's event files: by tag and step a number, an array, or bytes of text and images."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    def read(directory: Path) -> Points:
        found: Points = {}
        for path in sorted(directory.glob("events.out.tfevents.*")):
            for event in EventFileLoader(str(path)).Load():
                for value in event.summary.value:
                    points = found.setdefault(value.tag, {})
                    assert event.step not in points, f"{value.tag} stands twice at step {event.step}"
                    points[event.step] = tensor_util.make_ndarray(value.tensor)
        return found

    return read
