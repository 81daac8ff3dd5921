"""What the tests of searching share."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from textclf.config import Config
from textclf.tuning import tune as tune_module
from textclf.tuning.trial import Ending


@pytest.fixture
def linear(tiny_config: Callable[..., Config]) -> Config:
    """A config whose trials take no time."""
    return tiny_config("model=linear")


class Pretended:
    """Trials that train nothing: the score follows from the values, and what was asked is kept."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.ends: dict[int, Ending | BaseException] = {}

    def __call__(self, config: Any, corpus: Any, metric: str, *others: Any) -> Ending:
        del others
        number = len(self.calls)
        self.calls.append({"config": config, "corpus": corpus, "metric": metric})
        end = self.ends.get(number)
        if isinstance(end, BaseException):
            raise end
        if end is not None:
            return end
        near = abs(math.log10(config.model.inverse_regularization) - 1) + 0.1 * config.model.max_ngram
        return Ending("done", 1 / (1 + near))


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """Let trials of the linear model train nothing."""
    pretended = Pretended()
    monkeypatch.setattr(tune_module, "run_trial", pretended)
    return pretended
