"""The renderers of this process: started when they are needed, used by one thread each, and replaced."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from processing.renderer.client import Renderer
from processing.renderer.options import Options, RendererUnavailable

logger = logging.getLogger(__name__)

# As many as can work at once, and at least two, so that one slow picture does not hold up all others.
_MOST = max(2, os.cpu_count() or 1)


class Pool:
    """Renderers for all threads of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: set[Renderer] = set()
        self._idle: list[Renderer] = []
        self._has_warned = False

    @contextmanager
    def renderer(self, options: Options, *, seconds: float, cpu_seconds: float) -> Iterator[Renderer]:
        """Lend a renderer for one file, which must be done within `seconds`, the wait for it included.

        Raises `RendererUnavailable` if all are busy for so long, or if none can start.
        """
        now = time.monotonic()
        # The file has at least half of the time: a busy machine is not its fault.
        renderer = self._taken(options, now + seconds / 2)
        try:
            self._make_ready(renderer, now + seconds / 2)
            renderer.begin(deadline=now + seconds, cpu_seconds=cpu_seconds)
            yield renderer
        finally:
            self._give_back(renderer)

    def prepare(self, options: Options) -> None:
        """Start a renderer unless there is one; the first file then waits less."""
        # The first file reports a failure.
        with self._changed, suppress(RendererUnavailable):
            if not self._all:
                self._idle.append(self._started(options))
                self._changed.notify()

    def close(self) -> None:
        """End all renderers."""
        with self._changed:
            for renderer in self._all:
                renderer.kill()
            self._all.clear()
            self._idle.clear()
            self._changed.notify_all()

    def forget(self) -> None:
        """Leave the renderers to the parent of a forked process, which starts its own."""
        for renderer in self._all:
            renderer.forget()
        self._changed = threading.Condition()
        self._all, self._idle = set(), []

    def _taken(self, options: Options, deadline: float) -> Renderer:
        with self._changed:
            while True:
                while self._idle:
                    renderer = self._idle.pop()
                    if renderer.is_alive and renderer.options == options:
                        return renderer
                    self._end(renderer)
                if len(self._all) < _MOST:
                    return self._started(options)
                if not self._changed.wait(deadline - time.monotonic()):
                    raise RendererUnavailable("All renderers are busy.")

    def _started(self, options: Options) -> Renderer:
        """Return a new renderer. The caller holds the lock."""
        renderer = Renderer(options)
        self._all.add(renderer)
        return renderer

    def _make_ready(self, renderer: Renderer, deadline: float) -> None:
        if renderer.is_ready:
            return
        lacks = renderer.wait_until_ready(deadline)
        if lacks and renderer.options.sandbox == "required":
            renderer.kill()
            raise RendererUnavailable(
                f"RENDERER_SANDBOX is 'required', but this system lacks: {', '.join(lacks)}."
            )
        if lacks and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The renderer keeps rights that this system cannot take away: %s.", ", ".join(lacks)
            )

    def _give_back(self, renderer: Renderer) -> None:
        if renderer.is_starting or renderer.can_go_on:
            if renderer.is_ready:
                renderer.finish()
            with self._changed:
                self._idle.append(renderer)
                self._changed.notify()
        else:
            with self._changed:
                self._end(renderer)
                self._changed.notify()

    def _end(self, renderer: Renderer) -> None:
        renderer.kill()
        self._all.discard(renderer)


POOL = Pool()
os.register_at_fork(after_in_child=POOL.forget)
atexit.register(POOL.close)
