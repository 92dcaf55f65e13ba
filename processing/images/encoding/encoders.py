"""Encoders in several threads, which use idle cores."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from processing.images.encoding.encoding import Encoded


class Encoders:
    """Jobs shared between this thread and others; results come in the order of the jobs.

    At most one job waits at a time, because its pixels take memory. If one is waiting, this thread does the
    next job itself. Use this class in a `with` statement.
    """

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads - 1, "encoder") if threads > 1 else None
        # Each with whether it repeats the result of an earlier job.
        self._results: deque[tuple[Future[Encoded], bool]] = deque()
        self._known: dict[Hashable, Future[Encoded]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def add(self, key: Hashable, job: Callable[[], Encoded], *, here: bool) -> None:
        """Run a job, in this thread if `here`; a job with a known key is not run again."""
        is_known = key in self._known
        if not is_known:
            self._known[key] = _done(job()) if here else self._started(job)
        self._results.append((self._known[key], is_known))

    def finished(self) -> Iterator[Encoded]:
        """Yield the next results as far as they are ready."""
        while self._results and self._results[0][0].done():
            yield self._next()

    def rest(self) -> Iterator[Encoded]:
        """Yield the remaining results, waiting for each."""
        while self._results:
            yield self._next()

    def _next(self) -> Encoded:
        """Return the next result. A repeated one took no time."""
        future, is_repeated = self._results.popleft()
        result = future.result()
        return replace(result, resize_seconds=0.0, encode_seconds=0.0) if is_repeated else result

    def _started(self, job: Callable[[], Encoded]) -> Future[Encoded]:
        if self._pool is None or any(not (one.running() or one.done()) for one, _ in self._results):
            return _done(job())
        return self._pool.submit(job)


def _done(result: Encoded) -> Future[Encoded]:
    future: Future[Encoded] = Future()
    future.set_result(result)
    return future
