"""The places of event streams: each web process keeps a limited number open, for each person and in all."""

import threading
from collections import Counter
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from http import HTTPStatus

from processing.conf import darkroom
from processing.errors import Refusal

# Seconds after which a client should ask again. A browser without a stream polls meanwhile (`live.js`).
_AGAIN = 60


class TooManyStreams(Refusal):
    """The person has as many open event streams as they may."""

    code = "too_many_streams"
    title = "Too many event streams"
    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after = _AGAIN


class NoMoreStreams(Refusal):
    """The process has as many open event streams as it may."""

    code = "busy"
    title = "The server is busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = _AGAIN


class Place:
    """A place of one stream. It is free again when it is given back, or when no stream holds it."""

    def __init__(self, places: "Places", person: Hashable) -> None:
        self._places = places
        self._person = person
        self._is_taken = True

    def give_back(self) -> None:
        """Free the place; a second call does nothing."""
        if self._is_taken:
            self._is_taken = False
            self._places.free(self._person)

    def __del__(self) -> None:
        # A stream whose client has gone before it began is never closed.
        self.give_back()


class Places:
    """The places that are taken, by person."""

    def __init__(self) -> None:
        # A thread that holds the lock may collect a place, whose `__del__` takes it again.
        self._lock = threading.RLock()
        self._taken: Counter[Hashable] = Counter()

    def take(self, person: Hashable) -> Place:
        """Take a place for a stream of this person, whom any hashable value names.

        Raises `TooManyStreams` or `NoMoreStreams`.
        """
        with self._lock:
            if self._taken[person] >= darkroom().streams_per_person:
                raise TooManyStreams(
                    "You have {limit} open event streams. Close one, or share one stream.",
                    limit=darkroom().streams_per_person,
                )
            if self._taken.total() >= darkroom().streams_at_once:
                raise NoMoreStreams("The server has no room for another event stream. Try again in a minute.")
            self._taken[person] += 1
        return Place(self, person)

    def free(self, person: Hashable) -> None:
        """Free one place of this person."""
        with self._lock:
            self._taken[person] -= 1
            if not self._taken[person]:
                del self._taken[person]


# The places of this process.
places = Places()


async def in_place(place: Place, stream: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """Yield the blocks of a stream, and give its place back when it ends."""
    try:
        async with aclosing(stream) as blocks:
            async for block in blocks:
                yield block
    finally:
        place.give_back()
