"""What the processes of a training tell one another: what they begin with, and when one of them is asked to stop."""

import hashlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from textclf.errors import RunError
from textclf.training.devices import local_replicas
from textclf.training.replicas import sum_of_workers

ONE_RUN_DIRECTORY = "Give all of them the same run directory, in a folder that all of them see."
"""What to do if workers do not find the same checkpoint."""


class Workers:
    """The processes of a training; each has to call the same methods in the same order, since each waits for all.

    Args:
        strategy: The one that they train under.

    Attributes:
        count: How many there are; one alone waits for nobody.
        place: The number of this one; the chief is 0.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        """Count them."""
        first, local = local_replicas(strategy)
        self._strategy = strategy
        self.count, self.place = int(strategy.num_replicas_in_sync) // local, first // local

    def gather(self, values: Sequence[int]) -> NDArray[np.int64]:
        """Return what each worker brings, int64[workers, values]; numbers below 2**53 as they are."""
        table = np.zeros((self.count, len(values)))
        table[self.place] = values
        return (table if self.count == 1 else sum_of_workers(self._strategy, table)).astype(np.int64)

    def any(self, asked: Sequence[bool]) -> list[bool]:
        """Return what at least one of the workers is asked for."""
        own = [bool(each) for each in asked]
        return own if self.count == 1 else [any(each) for each in zip(*self.gather(own), strict=True)]

    def check_same(self, value: int | str, name: str, remedy: str) -> None:
        """Check that all workers have the same.

        Args:
            value: A number below 2**53, or any text.
            name: What it is, for the message.
            remedy: What to do if they do not.

        Raises:
            RunError: They do not; on every worker.
        """
        found = self.gather([value if isinstance(value, int) else _digest(value)])[:, 0]
        others = np.flatnonzero(found != found[0])
        if len(others) and isinstance(value, int):
            raise RunError(f"{name}: worker 0 has {found[0]}, worker {others[0]} has {found[others[0]]}. {remedy}")
        if len(others):
            raise RunError(f"{name}: that of worker {others[0]} is not that of worker 0. {remedy}")


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
