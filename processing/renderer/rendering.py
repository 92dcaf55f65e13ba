"""Rendering: decode originals and read headers in a renderer process, as if it happened here.

`decode` and `read_header` mirror those in `processing.images`, and also take the renderer's options.
"""

import io
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar

from processing.errors import Refusal
from processing.images.encoding.encoding import Encoded
from processing.images.encoding.placeholder import Placeholder
from processing.images.reading.header import Header
from processing.images.reading.limits import Limits
from processing.images.reading.metadata import Metadata
from processing.images.reading.refusals import UnreadableImage
from processing.presets import CENTRE, Point, Preset, Recipe, Resampler, Size
from processing.renderer import answers
from processing.renderer.answers import Description, InvalidAnswer
from processing.renderer.client import Renderer
from processing.renderer.frames import Frame
from processing.renderer.messages import fields_of, recipe_fields
from processing.renderer.options import Options, RendererDied, RendererUnavailable
from processing.renderer.pool import POOL
from processing.spans import record, span

logger = logging.getLogger(__name__)

# Seconds of CPU and of time in which a header must be read. The slowest known takes 0.2 seconds of CPU.
_HEADER_CPU_SECONDS, _HEADER_SECONDS = 5, 15
# How often a file may end its renderer before it is refused.
_ATTEMPTS = 2

Result = TypeVar("Result")


class ReaderBusy(Refusal):
    """No renderer was free or could start, so the header was not read."""

    code = "renderer_unavailable"
    title = "Images cannot be read now"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 5


@dataclass(frozen=True)
class RemoteSource:
    """A decoded original in a renderer: like `processing.images.source.Source`, with some of its fields.

    `pixels` is the size in bytes of the decoded pixels that the second step can use, or 0.
    """

    renderer: Renderer
    limits: Limits
    size: Size
    metadata: Metadata
    truncated: bool
    transparent: bool
    pixels: int

    def focus(self) -> Point:
        """Return the focal point found in the picture."""
        return self._look[1]

    def placeholder(self) -> Placeholder:
        """Return what to show before the thumbnail is ready."""
        return self._look[0]

    def render_all(
        self, recipes: Sequence[Recipe], *, focus: Point = CENTRE, threads: int = 2
    ) -> Iterator[Encoded]:
        """Yield the renditions in the order of the recipes, as they arrive."""
        if not recipes:
            return
        wanted = [recipe_fields(recipe) for recipe in recipes]
        begun = time.monotonic()
        self.renderer.ask({"do": "render", "recipes": wanted, "focus": focus, "threads": threads})
        for number, recipe in enumerate(recipes, start=1):
            largest = partial(answers.largest_rendition, recipe=recipe, size=self.size, limits=self.limits)
            frame = self.renderer.answer(largest, last=number == len(recipes))
            encoded = _checked(
                self.renderer, partial(answers.rendition_of, frame.header, frame.body, recipe=recipe)
            )
            _report(encoded, recipe, most=time.monotonic() - begun)
            yield encoded

    def write_pixels(self, file: BinaryIO) -> None:
        """Have the decoded pixels written into a file of `pixels` bytes."""
        self.renderer.ask({"do": "pixels"}, files=[file.fileno()])
        self.renderer.answer()

    @cached_property
    def _look(self) -> tuple[Placeholder, Point]:
        self.renderer.ask({"do": "describe"})
        frame = self.renderer.answer(lambda header: answers.LARGEST_PLACEHOLDER)
        return _checked(self.renderer, lambda: _look_of(frame))


@contextmanager
def decode(
    data: bytes,
    *,
    presets: Sequence[Preset],
    limits: Limits,
    resampler: Resampler,
    options: Options,
    seconds: float,
    cpu_seconds: float,
    later: Sequence[Preset] = (),
    handed: BinaryIO | None = None,
) -> Iterator[RemoteSource]:
    """Lend the original in `data`, decoded, until the end of the `with`, and for `seconds` at most.

    `handed` is a file with pixels that `write_pixels` wrote. Raises the decoder's refusals,
    `RendererUnavailable` or `RendererDied`; so do all methods of the source.
    """
    request: dict[str, Any] = {
        "do": "decode",
        "presets": [fields_of(preset) for preset in presets],
        "later": [fields_of(preset) for preset in later],
        "limits": fields_of(limits),
        "resampler": resampler,
    }
    with POOL.renderer(options, seconds=seconds, cpu_seconds=cpu_seconds) as renderer:
        files = []
        if handed is not None:
            files, request["handed"] = [handed.fileno()], os.fstat(handed.fileno()).st_size
        with span("decode", cached=handed is not None):
            renderer.ask(request, data, files)
            frame = renderer.answer()
        told: Description = _checked(renderer, partial(answers.description_of, frame.header, limits=limits))
        yield RemoteSource(
            renderer, limits, told.size, told.metadata, told.truncated, told.transparent, told.pixels
        )


def read_header(file: BinaryIO, *, name: str, limits: Limits, options: Options) -> Header:
    """Return the file's header, without decoding a pixel.

    Raises the refusals of `processing.images.reading.header.read_header`, or `ReaderBusy`.
    """
    descriptor = _read_only(file)
    try:
        for _ in range(_ATTEMPTS):
            try:
                return _header(descriptor, name, limits, options)
            except RendererDied as death:
                logger.warning("The header of a file has ended its renderer: %s", death)
            except RendererUnavailable as error:
                logger.warning("No header can be read: %s", error)
                raise ReaderBusy("Images cannot be read now. Try again in a few seconds.") from error
    finally:
        os.close(descriptor)
    raise UnreadableImage(
        "{name} is damaged or incomplete. Open it in an editor, save a new copy and upload that.", name=name
    )


def _header(descriptor: int, name: str, limits: Limits, options: Options) -> Header:
    request = {"do": "header", "name": name, "limits": fields_of(limits)}
    with POOL.renderer(options, seconds=_HEADER_SECONDS, cpu_seconds=_HEADER_CPU_SECONDS) as renderer:
        renderer.ask(request, files=[descriptor])
        frame = renderer.answer()
        return _checked(renderer, partial(answers.header_of, frame.header, limits=limits))


def _read_only(file: BinaryIO) -> int:
    """Return a descriptor through which the renderer can read the file, and not write to it."""
    try:
        number = file.fileno()
        file.flush()
        return os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except (AttributeError, io.UnsupportedOperation, FileNotFoundError):
        # No file of this system, or a system without /proc.
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            return os.dup(copy.fileno())


def _checked(renderer: Renderer, check: Callable[[], Result]) -> Result:
    try:
        return check()
    except InvalidAnswer as error:
        renderer.reject(error)


def _report(encoded: Encoded, recipe: Recipe, *, most: float) -> None:
    """Report the time that the renderer claims for a rendition, `most` at most."""
    names = {"preset": recipe.preset.name, "format": recipe.format}
    if encoded.resize_seconds:
        record("resize", seconds=min(encoded.resize_seconds, most), **names)
    if encoded.encode_seconds:
        record("encode", seconds=min(encoded.encode_seconds, most), **names)


def _look_of(frame: Frame) -> tuple[Placeholder, Point]:
    return answers.placeholder_of(frame.header, frame.body), answers.focus_of(frame.header)
