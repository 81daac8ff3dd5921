"""What the tests of training share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def batch(prepare: Callable[..., Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return ids, `int32[11, time]`, and targets, `int32[11]`."""
    train = prepare().splits["train"]
    return train.ids[:11].to_tensor(0).numpy(), train.targets[:11]
