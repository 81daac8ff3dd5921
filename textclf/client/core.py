"""What a client does but sending and sleeping: batches, attempts, deadlines, the cache."""

import itertools
import math
import random
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from textclf.client import results
from textclf.client.advice import PYTHON, Advice
from textclf.client.cache import MISSING, AnswerCache, digest
from textclf.client.errors import DeadlineError, RefusedError, ReplyError, ServingError, UnknownModelError
from textclf.client.refusals import error_of
from textclf.client.results import Metadata, Prediction, VersionStatus
from textclf.client.retries import Retries, may_pass
from textclf.client.steps import Answer, Ask, Outcome, Plan, Row, Send, Together, Wait
from textclf.client.texts import rows_of

BATCH_SIZE = 64
"""Texts a request, as many as the exports' batching parameters let a server take together."""

TOGETHER = 4
"""Requests of a call that are under way at once."""

DEADLINE = 60.0
"""Seconds that a call may take."""

MOST_VERSION = 2**63 - 1
T = TypeVar("T")
Texts = Iterable[str | bytes]


class _Operation(NamedTuple):
    """Something that is asked of texts."""

    kind: Literal["predict", "classify"]
    signature: str


_PREDICT, _SCORES, _EMBED = (
    _Operation("predict", "serving_default"),
    # Classify names the labels; the signature `scores` gives their scores without a name.
    _Operation("classify", "classify"),
    _Operation("predict", "embed"),
)


class Core:
    """A client's settings, and the plans of its calls; whoever drives a plan sends and sleeps for it."""

    def __init__(
        self,
        server: str,
        model: str,
        *,
        batch_size: int = BATCH_SIZE,
        deadline: float | None = DEADLINE,
        retries: Retries | None = None,
        cache: AnswerCache | None = None,
        caller: Hashable = None,
        advice: Advice = PYTHON,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Keep the settings; `caller` is what decides, beside the address, who answers and what may be seen.

        Raises:
            ServingError: The model's name cannot be one.
            ValueError: A number is out of its range.
        """
        check_name("model", model)
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        if deadline is not None and not deadline > 0:
            raise ValueError(f"deadline: expected seconds, more than 0, or None, got {deadline}")
        self.server, self.model, self.batch_size, self.deadline = server, model, batch_size, deadline
        self.retries, self.cache, self.advice = retries or Retries(), cache, advice
        self._caller, self._clock, self._chance = caller, clock, chance

    def predict(
        self, texts: Texts, text_pairs: Texts | None, version: int | None, label: str | None
    ) -> Plan[list[Prediction]]:
        """Plan the best labels of texts; as in all three, they are read at once, in the caller's thread."""
        return self._texts(_PREDICT, results.prediction, rows_of(texts, text_pairs), version, label)

    def scores(
        self, texts: Texts, text_pairs: Texts | None, version: int | None, label: str | None
    ) -> Plan[list[dict[str, float]]]:
        """Plan every label's scores of texts."""
        return self._texts(_SCORES, results.scores, rows_of(texts, text_pairs), version, label)

    def embed(
        self, texts: Texts, text_pairs: Texts | None, version: int | None, label: str | None
    ) -> Plan[list[list[float]]]:
        """Plan embeddings of texts."""
        return self._texts(_EMBED, results.embedding, rows_of(texts, text_pairs), version, label)

    def status(self, version: int | None) -> Plan[list[VersionStatus]]:
        """Plan the statuses of the model's versions."""
        _check_version(version, None)
        said = yield from self._exchange(Ask("status", version=version), self._end())
        return results.statuses(said)

    def metadata(self, version: int | None, label: str | None) -> Plan[Metadata]:
        """Plan the metadata of a version."""
        _check_version(version, label)
        return (yield from self._metadata(version, label, self._end()))

    def _metadata(self, version: int | None, label: str | None, end: float) -> Plan[Metadata]:
        said = yield from self._exchange(Ask("metadata", version=version, label=label), end)
        return results.metadata(said)

    def _texts(
        self,
        operation: _Operation,
        read: Callable[[Any], T],
        rows: list[Row],
        version: int | None,
        label: str | None,
    ) -> Plan[list[T]]:
        """Ask for all texts of a call, and read each answer."""
        _check_version(version, label)
        end = self._end()
        if not rows:
            return []
        # A missing input is refused by the server, and one too many, but not by Classify.
        if len(rows[0]) > 1 and operation is _SCORES:
            said = yield from self._metadata(version, label, end)
            if not said.takes_pairs:
                raise RefusedError(
                    f"{self.server}: '{self.model}' was trained on single texts, but got pairs. Leave text_pairs out."
                )
        if self.cache is None:
            answers = yield from self._batches(operation, rows, version, label, end)
        else:
            answers = yield from self._cached(self.cache, operation, rows, version, label, end)
        return [read(answer) for answer in answers]

    def _cached(
        self,
        cache: AnswerCache,
        operation: _Operation,
        rows: Sequence[Row],
        version: int | None,
        label: str | None,
        end: float,
    ) -> Plan[list[Any]]:
        """Ask for what the cache does not hold, all of the same version."""
        digests = [digest(row) for row in rows]
        for last in (False, True):
            number = version
            if number is None:
                number = yield from self._current(cache, label, end)
            keys = [(*self._place(), number, operation, each) for each in digests]
            found = dict(zip(keys, cache.find(keys), strict=True))
            missing = {key: row for key, row in zip(keys, rows, strict=True) if found[key] is MISSING}
            try:
                answers = yield from self._batches(operation, list(missing.values()), number, None, end)
            except UnknownModelError:
                if version is not None or last:
                    raise
                cache.forget_version((*self._place(), label))  # it was unloaded since: ask who is the newest now
                continue
            cache.keep(list(missing), answers)
            cache.count(len(rows) - len(missing), len(missing))
            found.update(zip(missing, answers, strict=True))
            break
        return [found[key] for key in keys]

    def _current(self, cache: AnswerCache, label: str | None, end: float) -> Plan[int]:
        """Return the version that answers; metadata say it for a label too, unlike the status."""
        key = (*self._place(), label)
        number = cache.version(key, self._clock())
        if number is None:
            asked = self._clock()  # what is learnt is at least as old as the question
            number = (yield from self._metadata(None, label, end)).version
            cache.learn_version(key, number, asked)
        return number

    def _place(self) -> tuple[Hashable, ...]:
        return self.server, self._caller, self.model

    def _batches(
        self, operation: _Operation, rows: Sequence[Row], version: int | None, label: str | None, end: float
    ) -> Plan[list[Any]]:
        """Ask for rows, in requests of so many."""
        starts = range(0, len(rows), self.batch_size)
        plans = [
            self._batch(Ask(*operation, tuple(rows[start : start + self.batch_size]), version, label), end)
            for start in starts
        ]
        if len(plans) == 1:
            return (yield from plans[0])
        parts = yield Together(plans)
        if isinstance(parts, Exception):
            raise parts
        if not isinstance(parts, list):
            raise TypeError(f"plans were handed over: expected what they are for, got {parts!r:.60}")
        return [answer for part in parts for answer in part]

    def _batch(self, ask: Ask, end: float) -> Plan[list[Any]]:
        said = yield from self._exchange(ask, end)
        if not isinstance(said, list) or len(said) != len(ask.rows):
            count = len(said) if isinstance(said, list) else f"{said!r:.60}"
            raise ReplyError(f"{self.server}: expected {len(ask.rows)} answers for as many texts, got {count}.")
        return said

    def _exchange(self, ask: Ask, end: float) -> Plan[Any]:
        """Ask until there is an answer, attempts or time are over, or nothing better can come."""
        begun = self._clock()
        for attempt in itertools.count(1):
            left = end - self._clock()
            if left <= 0:
                raise self._late()
            outcome = yield Send(ask, None if math.isinf(left) else left)
            if not isinstance(outcome, Outcome):
                raise TypeError(f"a request was sent: expected its outcome, got {outcome!r:.60}")
            if isinstance(outcome, Answer):
                return outcome.value
            wait = self.retries.wait_after(attempt, getattr(outcome, "retry_after", None), self._chance())
            over = attempt >= self.retries.attempts or wait >= end - self._clock()
            if over or not may_pass(outcome):
                tried = _tried(attempt, self._clock() - begun, self.deadline)
                raise error_of(outcome, ask, self.server, self.model, tried, self.advice)
            yield Wait(wait)

    def _end(self) -> float:
        return math.inf if self.deadline is None else self._clock() + self.deadline

    def _late(self) -> DeadlineError:
        return DeadlineError(
            f"{self.server}: expected all answers within the deadline of {self.deadline:g} s, but it was over before "
            f"the last request. {self.advice.less}"
        )


def _tried(attempts: int, seconds: float, deadline: float | None) -> str:
    """Say how much was tried.

    Example:
        >>> _tried(2, 0.52, 60.0)
        'after 2 attempts in 0.5 s, with a deadline of 60 s'
    """
    often = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return f"after {often} in {seconds:.1f} s" + ("" if deadline is None else f", with a deadline of {deadline:g} s")


def check_name(what: str, name: str) -> None:
    """Raise a `ServingError` for what can be no name of a model or a label: paths are made of them."""
    if not name or name in (".", "..") or "/" in name or ":" in name:
        raise ServingError(f"{what}: expected a name without / and :, got {name!r}.")


def _check_version(version: int | None, label: str | None) -> None:
    if version is not None and label is not None:
        raise ValueError(f"expected a version or a label, got both: {version} and {label!r}")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise TypeError(f"version: expected a number, got {type(version).__name__}: {version!r}")
    if version is not None and not 0 <= version <= MOST_VERSION:
        raise ValueError(f"version: expected 0 to {MOST_VERSION}, got {version}")
    if label is not None:
        check_name("label", label)
