"""Rendering in this process, where a study can time each part: the renderer's work without the renderer."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from processing.renderer.answers import InvalidAnswer
from processing.renderer.frames import Frame, Header, no_body
from processing.renderer.options import RendererDied
from processing.renderer.pool import POOL
from processing.renderer.process import Work


class InProcess:
    """A renderer that answers here."""

    def __init__(self) -> None:
        self._work = Work()
        self._answers: Iterator[Frame] = iter(())

    def ask(self, request: Header, body: bytes = b"", files: Sequence[int] = ()) -> None:
        """Take a request."""
        self._answers = self._work.answers(Frame(json.loads(json.dumps(request)), body, tuple(files)))

    def answer(self, largest_body: Callable[[Header], int] = no_body, *, last: bool = True) -> Frame:
        """Return the next answer; raise what the decoder raises."""
        header, body, _ = next(self._answers)
        assert len(body) <= largest_body(json.loads(json.dumps(header)))
        return Frame(json.loads(json.dumps(header)), body)

    def reject(self, error: InvalidAnswer) -> NoReturn:
        """Raise `RendererDied`."""
        raise RendererDied(str(error)) from error


@contextmanager
def lent(*_: Any, **__: Any) -> Iterator[InProcess]:
    """Lend such a renderer."""
    yield InProcess()


def render_here() -> None:
    """Render in this process from now on."""
    POOL.renderer = lent  # type: ignore[method-assign,assignment]
