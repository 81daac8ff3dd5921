"""A small made-up evaluation that the tests of this folder share."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from textclf.evaluation import Evaluation


def make_predictions(classes: int, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return targets, `int64[rows]`, and probabilities, `float32[rows, classes]`, mostly right."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes))
    logits[np.arange(rows), targets] += 2.0
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return targets, shares.astype(np.float32)


@pytest.fixture
def predictions() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return make_predictions


@pytest.fixture
def history() -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch,
            "step": epoch * 10,
            "train_loss": 1.0 / epoch,
            "dev_loss": None if epoch == 1 else 1.2 / epoch,
            "dev": {"accuracy": 1.0 - 0.5 / epoch, "macro_f1": 1.0 - 0.6 / epoch},
            "learning_rate": 1e-3,
            "examples_per_second": 1234.5,
            "seconds": 2.25,
        }
        for epoch in range(1, 4)
    ]


@pytest.fixture
def evaluation() -> Callable[..., Evaluation]:
    def make(labels: Sequence[str] = ("sport", "business", "politics"), rows: int = 60, **changes: Any) -> Evaluation:
        targets, probabilities = make_predictions(len(labels), rows)
        values: dict[str, Any] = {
            "title": "news",
            "split": "test",
            "labels": labels,
            "texts": [f"text number {row}" for row in range(rows)],
            "targets": targets,
            "probabilities": probabilities,
        }
        return Evaluation(**(values | changes))

    return make
