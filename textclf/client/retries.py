"""When a request is sent again, and how long is waited before."""

from dataclasses import dataclass

from textclf.client.steps import Failure, Refusal

PASSING = frozenset({429, 503, 504})
"""Statuses that another attempt may not meet: no room, not there yet, not in time."""


@dataclass(frozen=True)
class Retries:
    """How often and how patiently a client asks again.

    It does so when nothing answers and on 429, 503 and 504. Before attempt n + 1 it waits for a time drawn from 0 to
    `first_wait` × 2ⁿ⁻¹ seconds ("full jitter", https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/),
    so that many clients do not come back together; if the server named a time in `Retry-After`, after that.

    Attributes:
        attempts: Attempts a request, the first one included.
        first_wait: Seconds, at most, before the second attempt.
        most_wait: Seconds, at most, before any attempt; `Retry-After` may ask for more.

    Raises:
        ValueError: There would be no attempt, or waits are negative.
    """

    attempts: int = 4
    first_wait: float = 0.2
    most_wait: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts: expected at least 1, got {self.attempts}")
        for name in ("first_wait", "most_wait"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected seconds, 0 or more, got {getattr(self, name)}")

    def wait_after(self, attempt: int, retry_after: float | None, chance: float) -> float:
        """Return the seconds to wait after an attempt.

        Args:
            attempt: Its number, from 1.
            retry_after: Seconds that the server asks for.
            chance: A number from 0 to 1, drawn anew each time.

        Example:
            >>> Retries(first_wait=0.2).wait_after(3, None, chance=0.5)
            0.4
            >>> Retries(first_wait=0.2).wait_after(1, 7.0, chance=0.5)
            7.1
        """
        backoff = min(self.most_wait, self.first_wait * 2.0 ** min(attempt - 1, 64))
        return (retry_after or 0.0) + chance * backoff


def may_pass(outcome: Refusal | Failure) -> bool:
    """Say whether another attempt may end better."""
    return outcome.status in PASSING if isinstance(outcome, Refusal) else not (outcome.lasting or outcome.strange)
