"""Renderers of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from processing.renderer.client import Renderer
from processing.renderer.options import Options


@contextmanager
def started(
    module: str, options: Options | None = None, *, seconds: float = 60, cpu_seconds: float = 60
) -> Iterator[Renderer]:
    """Return a renderer that runs a module of the tests, ready for one file."""
    renderer = Renderer(options or Options(), module=f"tests.processing.renderer.{module}")
    try:
        assert renderer.wait_until_ready(monotonic() + 60) == []
        renderer.begin(deadline=monotonic() + seconds, cpu_seconds=cpu_seconds)
        yield renderer
    finally:
        renderer.kill()
