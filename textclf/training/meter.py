"""How fast a training is, and what its time goes into."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class Meter:
    """Counts texts, tokens and padding since the last `start`, and the seconds that steps waited for data."""

    def __init__(self) -> None:
        """Start."""
        self.start()

    def start(self) -> None:
        """Begin to count anew."""
        self._begun = time.perf_counter()
        self._counts = dict.fromkeys(("steps", "texts", "tokens", "cells"), 0)
        self._waited, self._timed_steps = 0.0, 0

    def to_json(self) -> dict[str, float]:
        """Return what was counted since the start, for a checkpoint."""
        return self._counts | {"seconds": self.seconds, "waited": self._waited, "timed_steps": self._timed_steps}

    def go_on(self, counted: dict[str, float]) -> None:
        """Count on from what `to_json` has given, as if the time since had not passed."""
        self.start()
        self._counts = {name: int(counted[name]) for name in self._counts}
        self._begun -= counted["seconds"]
        self._waited, self._timed_steps = counted["waited"], int(counted["timed_steps"])

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the seconds inside the block as waited for data."""
        begun = time.perf_counter()
        yield
        self._waited += time.perf_counter() - begun
        self._timed_steps += 1

    def add(self, texts: Sequence[int], tokens: Any, cells: Any) -> None:
        """Count steps: the texts of each, its tokens, and the tokens and padding that were computed."""
        counted = {"steps": len(texts), "texts": sum(texts), "tokens": int(tokens.sum()), "cells": int(cells.sum())}
        self._counts = {name: count + counted[name] for name, count in self._counts.items()}

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begun

    def read(self) -> dict[str, float]:
        """Return what was measured: seconds, texts and tokens a second, the shares of padding and of waiting.

        Calls of several steps fetch their batches inside: then nobody sees how long they waited, and it is left out.
        """
        seconds, counts = max(self.seconds, 1e-9), self._counts
        waiting = {"waiting": self._waited / seconds} if self._timed_steps == counts["steps"] else {}
        return waiting | {
            "seconds": seconds,
            "examples_per_second": counts["texts"] / seconds,
            "tokens_per_second": counts["tokens"] / seconds,
            "padding": 1.0 - counts["tokens"] / max(counts["cells"], 1),
        }
