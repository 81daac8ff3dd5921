"""When requests are due: an open loop, in which nobody waits for the answer to somebody else's request."""

from collections.abc import Iterator

import numpy as np


def arrivals(rate: float, seconds: float, seed: int = 0) -> Iterator[float]:
    """Yield when each request is due, in seconds after the beginning, as independent clients ask: a Poisson process.

    A closed loop, which asks again when it was answered, asks a slow server less often, and so finds it faster than its
    users do (Schroeder et al., "Open Versus Closed", NSDI 2006).

    Args:
        rate: Requests a second, on average.
        seconds: How long requests come.
        seed: The same seed gives the same times.

    Example:
        >>> [round(due, 3) for due in arrivals(rate=4, seconds=1)]
        [0.17, 0.425, 0.43, 0.43, 0.568, 0.975]
    """
    generator = np.random.default_rng(seed)
    due = generator.exponential(1 / rate)
    while due < seconds:
        yield float(due)
        due += generator.exponential(1 / rate)
