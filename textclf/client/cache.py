"""Answers that are kept, so that a text is not asked twice of the same version."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

from textclf.client.steps import Row

Key: TypeAlias = tuple[Hashable, ...]
MISSING = object()
_SALT = os.urandom(16)


class AnswerCache:
    """The answers that were given last, for one client or several, of any threads.

    An answer is kept by server, key, model, version, signature and text; of keys and texts only a hash is kept. So
    nobody is given what only another client's key may see. Each is asked of the version by its number, so that none is
    ever taken for another version's. Which version is the newest, or has a label, the server is asked once in
    `version_seconds`: for so long after a change answers may still be the former version's, as long as they are here
    or the server still has it. A version's number is taken to mean the same answers for ever; `clear` forgets them.

    Attributes:
        size: Answers that are kept at most; those that were not wanted for longest go first.
        version_seconds: How long the number of the version that answers is believed.
        hits: Texts, so far, that needed no asking.
        misses: Texts, so far, that did.

    Raises:
        ValueError: The size is less than 1, or the seconds are negative.

    Example:
        >>> cache = AnswerCache(size=1000)
        >>> cache.hits, cache.misses, cache.hit_rate
        (0, 0, 0.0)
    """

    def __init__(self, size: int = 10_000, version_seconds: float = 10.0) -> None:
        if size < 1:
            raise ValueError(f"size: expected at least 1, got {size}")
        if not version_seconds >= 0:
            raise ValueError(f"version_seconds: expected seconds, 0 or more, got {version_seconds}")
        self.size, self.version_seconds = size, version_seconds
        self.hits = self.misses = 0
        self._answers: OrderedDict[Key, Any] = OrderedDict()
        self._versions: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def hit_rate(self) -> float:
        """The part of the texts that needed no asking, 0 to 1; 0 before any."""
        with self._lock:
            return self.hits / (self.hits + self.misses) if self.hits or self.misses else 0.0

    def __len__(self) -> int:
        return len(self._answers)

    def clear(self) -> None:
        """Forget all answers and versions; `hits` and `misses` stay."""
        with self._lock:
            self._answers.clear()
            self._versions.clear()

    def find(self, keys: Sequence[Key]) -> list[Any]:
        """Return the answer of each key, or `MISSING`."""
        with self._lock:
            for key in keys:
                if key in self._answers:
                    self._answers.move_to_end(key)
            return [self._answers.get(key, MISSING) for key in keys]

    def keep(self, keys: Sequence[Key], answers: Sequence[Any]) -> None:
        """Keep answers, and drop the oldest if they are too many."""
        with self._lock:
            for key, answer in zip(keys, answers, strict=True):
                self._answers[key] = answer
                self._answers.move_to_end(key)
            while len(self._answers) > self.size:
                self._answers.popitem(last=False)

    def count(self, hits: int, misses: int) -> None:
        """Add to what was found and what was not."""
        with self._lock:
            self.hits += hits
            self.misses += misses

    def version(self, key: Key, now: float) -> int | None:
        """Return the version that answers, if that was learnt lately."""
        with self._lock:
            number, learnt = self._versions.get(key, (None, 0.0))
            return number if number is not None and now - learnt < self.version_seconds else None

    def learn_version(self, key: Key, number: int, now: float) -> None:
        """Keep which version answers now."""
        with self._lock:
            self._versions[key] = number, now
            self._versions.move_to_end(key)
            while len(self._versions) > self.size:  # labels are as many as callers name
                self._versions.popitem(last=False)

    def forget_version(self, key: Key) -> None:
        """Forget which version answers, because that one is gone."""
        with self._lock:
            self._versions.pop(key, None)


def identity(*shown: str | None) -> bytes:
    """Return the hash that stands for what a client shows of itself, such as its key; another in each process.

    Example:
        >>> identity("key-1") == identity("key-1"), identity("key-1") == identity(None)
        (True, False)
    """
    return hashlib.blake2b(repr(shown).encode(), key=_SALT, digest_size=16).digest()


def digest(row: Row) -> bytes:
    r"""Return the hash that stands for a row: 16 bytes, however long its texts are.

    Example:
        >>> digest((b"a", b"bc")) == digest((b"ab", b"c"))
        False
    """
    parts = hashlib.blake2b(digest_size=16)
    for text in row:
        parts.update(len(text).to_bytes(8, "big") + text)
    return parts.digest()
