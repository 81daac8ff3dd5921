"""What came of a load: percentiles, errors, and whether the load itself was what it was meant to be."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.terminal import aligned

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
LATE_SECONDS = 0.02
"""A request that left so much after it was due was held up here and not in the server."""


@dataclass(frozen=True)
class Asked:
    """One request; times are seconds after the beginning.

    Attributes:
        due: When it was to leave.
        left: When it left.
        ended: When its answer was there, or its error.
        error: What it failed of; empty if it was answered.
    """

    due: float
    left: float
    ended: float
    error: str = ""


@dataclass(frozen=True)
class LoadResult:
    """What came of all requests.

    Attributes:
        asked: The requests, in the order in which they were due.
        rate: Requests a second that were meant to be sent.
        seconds: How long requests were sent.
        batch_size: Texts in each.
    """

    asked: Sequence[Asked]
    rate: float
    seconds: float
    batch_size: int = 1

    @cached_property
    def latencies(self) -> NDArray[np.float64]:
        """Seconds from when a request was due to its answer, of those that were answered: `float64[answered]`."""
        return np.array([request.ended - request.due for request in self.asked if not request.error])

    @property
    def errors(self) -> dict[str, int]:
        """How often each error came, the most frequent first."""
        return dict(Counter(request.error for request in self.asked if request.error).most_common())

    @property
    def answered_per_second(self) -> float:
        """Requests answered, by the time from the first that was due to the last that was answered."""
        ends = [request.ended for request in self.asked if not request.error]
        return len(ends) / max(*ends, self.seconds) if ends else 0.0

    @property
    def late(self) -> int:
        """How many requests left late because this side was too slow."""
        return sum(request.left - request.due > LATE_SECONDS for request in self.asked)

    def percentile(self, which: float) -> float:
        """Return the latency in seconds that so many percent of the answers stay below; nan if there are none."""
        return float(np.percentile(self.latencies, which)) if len(self.latencies) else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Return the figures, for programs; latencies are milliseconds."""
        return {
            "requests": len(self.asked),
            "texts_per_request": self.batch_size,
            "rate": self.rate,
            "seconds": self.seconds,
            "answered": len(self.latencies),
            "answered_per_second": self.answered_per_second,
            "errors": self.errors,
            "left_late": self.late,
            "latency_ms": {f"p{which:g}": self._milliseconds(self.percentile(which)) for which in PERCENTILES}
            | {"max": self._milliseconds(self.percentile(100.0))},
        }

    @staticmethod
    def _milliseconds(seconds: float) -> float | None:
        return None if np.isnan(seconds) else round(1000 * seconds, 3)

    def to_text(self) -> str:
        """Return the figures as lines for people."""
        answered, plural = len(self.latencies), "s" * (self.batch_size > 1)
        lines = [
            f"{len(self.asked):,} requests of {self.batch_size} text{plural} in {self.seconds:.0f} s, "
            f"{self.rate:g} a second: {answered:,} answered ({self.answered_per_second:,.1f} a second), "
            f"{len(self.asked) - answered:,} failed"
        ]
        if answered:
            names = [f"p{which:g}" for which in PERCENTILES] + ["max"]
            values = [f"{1000 * self.percentile(which):,.1f}" for which in (*PERCENTILES, 100.0)]
            lines += aligned([["latency, ms", *names], ["", *values]])
        lines += [f"{count:,} × {error}" for error, count in self.errors.items()]
        if self.late > 0.01 * len(self.asked):
            lines.append(
                f"{self.late:,} requests left over {1000 * LATE_SECONDS:.0f} ms after they were due: this side is "
                "too slow, and latencies hold what they waited here. Ask from another machine, or with a lower --rate."
            )
        return "\n".join(lines)
