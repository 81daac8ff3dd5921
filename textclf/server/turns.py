"""Turns: so many may work at a time, and it is known how many wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Gives turns in the order in which they are asked for.

    Attributes:
        waiting: How many wait for their turn.
    """

    def __init__(self, count: int) -> None:
        """Give so many at a time."""
        self._turns, self.waiting = asyncio.Semaphore(count), 0

    @property
    def are_taken(self) -> bool:
        """Whether who asks now has to wait."""
        return self._turns.locked()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Run the block when it is its turn."""
        self.waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._turns.release()
