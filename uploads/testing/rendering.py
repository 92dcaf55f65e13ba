"""Process uploads in the process of a test: no worker, no broker and no Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, BinaryIO
from unittest.mock import patch

from celery.canvas import Signature
from django.db import DEFAULT_DB_ALIAS

from processing import conf, steps
from processing.errors import Refusal, TransientError
from processing.images.encoding.encoding import Encoded
from processing.images.encoding.placeholder import Placeholder, plain_picture
from processing.images.reading import header
from processing.images.reading.header import Header
from processing.images.reading.limits import Limits
from processing.images.reading.metadata import Metadata
from processing.presets import CENTRE, Format, Point, Recipe, Size
from uploads import broker, completion, pipeline, services
from uploads.events import wakeups
from uploads.models import Upload
from uploads.testing.commits import committed_at_once

# The colour of everything that the fake renders.
_GREY = "#808080"
_NO_METADATA = Metadata(camera="", profile="", frames=1, gps=False, taken_at=None)


def render(upload: Upload) -> Upload:
    """Process an upload in this process now, and return it as it is then.

    Raises the `Refusal` for which it failed, or a `TransientError` if another attempt might succeed.
    """
    completion.run_here(upload)
    upload.refresh_from_db()
    return upload


@contextmanager
def rendered_at_once(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Process each upload, and deliver each notice, in this process as soon as it is committed.

    Works in a `TestCase`, too, whose transactions are not committed. Other callbacks for the commit also run
    then. An upload that cannot be processed has failed afterwards, as it would in a worker.
    """
    with ExitStack() as stack:
        for module in (broker, pipeline):
            stack.enter_context(patch.object(module, "publish", _run))
        stack.enter_context(patch.object(wakeups, "tell", _ignore))
        stack.enter_context(committed_at_once(using))
        yield


@contextmanager
def fake_rendering(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Process uploads at once as `rendered_at_once` does, but decode and render nothing.

    Each upload gets the rows of all its renditions, with their right sizes. Their files are tiny grey images.
    """
    with (
        patch.object(services, "read_header", _read_header),
        patch.object(steps, "decode", _decode),
        rendered_at_once(using),
    ):
        yield


def _run(message: Signature[Any]) -> bool:
    """Run a task, or the tasks of a chain until one fails, in place of publishing them."""
    for task in getattr(message, "tasks", [message]):
        # A step finds out by the routing key whether it is in the bulk queue.
        result = task.type.apply(kwargs=task.kwargs, routing_key=task.options.get("queue"))
        error = result.result
        if isinstance(error, Refusal | TransientError):
            break
        if isinstance(error, BaseException):
            raise error
    return True


def _ignore(_owner_id: int) -> None:
    """Wake no event stream."""


def _read_header(file: BinaryIO, *, name: str, limits: Limits, **_options: Any) -> Header:
    """Read a header in this process, because a renderer takes a moment to start."""
    return header.read_header(file, name=name, limits=limits)


@contextmanager
def _decode(data: bytes, **_options: Any) -> Iterator[_FakeSource]:
    found = header.read_header(BytesIO(data), name="The file", limits=conf.limits())
    yield _FakeSource(size=(found.width, found.height), transparent=found.has_alpha)


@dataclass(frozen=True, slots=True)
class _FakeSource:
    """An original of which only the header was read, in place of `RemoteSource`."""

    size: Size
    transparent: bool
    metadata: Metadata = _NO_METADATA
    truncated: bool = False
    pixels: int = 0

    def focus(self) -> Point:
        return CENTRE

    def placeholder(self) -> Placeholder:
        return Placeholder(1, 1, bytes.fromhex(f"{_GREY.removeprefix('#')}ff"), _GREY)

    def render_all(self, recipes: Sequence[Recipe], **_options: Any) -> Iterator[Encoded]:
        for recipe in recipes:
            yield Encoded(_file_of(recipe.format), *recipe.preset.output_size(self.size))


@cache
def _file_of(format: Format) -> bytes:
    return plain_picture(size=(1, 1), color=_GREY, format=format)
