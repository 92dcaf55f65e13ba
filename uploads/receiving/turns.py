"""Turns limit the requests that a web process works on at once, and refuse those that would wait too long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from uploads.problems import busy

# Requests that may wait for each one that has a turn, and the seconds for which each waits. A page with many
# pictures asks for all of them at the same time.
_WAITING_FOR_ONE = 10
_PATIENCE = 5.0


class Turns:
    """A number of turns that requests take one after the other, in the order in which they came."""

    def __init__(self, at_once: int, *, most_waiting: int | None = None) -> None:
        at_once = max(at_once, 1)
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = at_once * _WAITING_FOR_ONE if most_waiting is None else most_waiting
        self._waiting = 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for a turn, and keep it until the block ends.

        Raises `Busy` if too many wait already, or if none becomes free in time.
        """
        if self._waiting >= self._most_waiting:
            raise busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._free.acquire()
        except TimeoutError:
            raise busy() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
