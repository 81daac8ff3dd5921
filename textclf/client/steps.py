"""What is asked and what comes of it, whatever is spoken: the words between a plan and those who send for it."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

Row: TypeAlias = tuple[bytes, ...]
"""A text, or the two of a pair, as UTF-8."""


@dataclass(frozen=True)
class Ask:
    """A request.

    Attributes:
        kind: What is asked.
        signature: The signature, of `predict` and `classify`.
        rows: The texts, of `predict` and `classify`.
        version: The model's version; the newest one if there is no label either.
        label: The label of a version.
    """

    kind: Literal["predict", "classify", "status", "metadata"]
    signature: str = ""
    rows: tuple[Row, ...] = ()
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class Send:
    """A step of a plan: send a request, and return with its outcome.

    Attributes:
        timeout: Seconds after which nobody waits for the answer any more; None if somebody always does.
    """

    ask: Ask
    timeout: float | None


@dataclass(frozen=True)
class Wait:
    """A step of a plan: wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Together:
    """A step of a plan: do several plans, some of them at once, and return with what each is for, in their order.

    The first error ends the others, and is returned instead.
    """

    plans: "Sequence[Plan[Any]]"


@dataclass(frozen=True)
class Answer:
    """The outcome of a request that was answered.

    Attributes:
        value: The part of the reply's JSON that was asked for: one value a row of `predict` and `classify`, the
            statuses of the versions, or the metadata.
    """

    value: Any


@dataclass(frozen=True)
class Refusal:
    """The outcome of a request that was refused.

    Attributes:
        status: The HTTP status.
        message: The server's words.
        retry_after: Seconds after which it wants to be asked again, if it said so.
    """

    status: int
    message: str
    retry_after: float | None = None


@dataclass(frozen=True)
class Failure:
    """The outcome of a request without an answer.

    Attributes:
        reason: Why there was none.
        timed_out: Whether the time was over.
        lasting: Whether whoever answers cannot be trusted, so that there is no sense in another attempt.
        strange: Whether something answers that speaks another protocol; nor is there then.
    """

    reason: str
    timed_out: bool = False
    lasting: bool = False
    strange: bool = False


Outcome: TypeAlias = Answer | Refusal | Failure

T = TypeVar("T")
Told: TypeAlias = Outcome | list[Any] | Exception | None
"""What a plan is told after a step: the outcome of `Send`, what `Together` returns, or nothing."""

Plan: TypeAlias = Generator[Send | Wait | Together, Told, T]
"""What a client does, step by step; it returns what was wanted."""
