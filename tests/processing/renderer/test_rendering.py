"""The renderer gives the same results as decoding here, and a bounded answer when it cannot."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from processing.errors import Refusal
from processing.images import source as sources
from processing.images.geometry.resampling import INSTALLED
from processing.images.reading import header as headers
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import UnreadableImage
from processing.presets import FORMATS, Preset, Recipe
from processing.renderer import answers, rendering
from processing.renderer.answers import InvalidAnswer
from processing.renderer.options import Options, RendererDied, RendererUnavailable
from processing.renderer.pool import POOL
from processing.renderer.rendering import ReaderBusy, RemoteSource, decode, read_header
from tests.conftest import MakeFile, MakeImage

pytestmark = pytest.mark.slow

LIMITS = Limits(pixels=210_000_000, animation_pixels=150_000_000)
OPTIONS = Options()
SMALL = Preset(name="small", width=160, formats=FORMATS, keep_credit=True)
SQUARE = Preset(name="square", width=64, height=64, mode="fill", formats=FORMATS)
RECIPES = [Recipe(preset, format) for preset in (SMALL, SQUARE) for format in FORMATS]
# One of each kind: by format, colours, orientation, animation, metadata and damage.
FILES = ("alpha", "animation", "colour", "edges", "heic", "hostile", "metadata", "orientation", "pngsuite")


@contextmanager
def decoded(data: bytes, *, later: tuple[Preset, ...] = ()) -> Iterator[RemoteSource]:
    with decode(
        data,
        presets=[SMALL, SQUARE],
        later=later,
        limits=LIMITS,
        resampler=INSTALLED,
        options=OPTIONS,
        seconds=120,
        cpu_seconds=120,
    ) as source:
        yield source


def results_of(source: RemoteSource | sources.Source) -> tuple[Any, ...]:
    seen = source.size, source.metadata, source.truncated, source.transparent
    return *seen, source.placeholder(), source.focus(), list(source.render_all(RECIPES))


def rendered_there(data: bytes) -> object:
    try:
        with decoded(data) as source:
            return results_of(source)
    except Refusal as refusal:
        return type(refusal), refusal.template, refusal.values


def rendered_here(data: bytes) -> object:
    try:
        source = sources.decode(data, presets=[SMALL, SQUARE], limits=LIMITS, resampler=INSTALLED)
        return results_of(source)
    except Refusal as refusal:
        return type(refusal), refusal.template, refusal.values


def header_there(data: bytes) -> object:
    try:
        return read_header(BytesIO(data), name="sea.jpg", limits=LIMITS, options=OPTIONS)
    except Refusal as refusal:
        return type(refusal), refusal.template, refusal.values


def header_here(data: bytes) -> object:
    try:
        return headers.read_header(BytesIO(data), name="sea.jpg", limits=LIMITS)
    except Refusal as refusal:
        return type(refusal), refusal.template, refusal.values


@pytest.mark.parametrize("folder", FILES)
def test_files_give_the_same_bytes_and_refusals_as_here(folder: str, corpus: Path) -> None:
    paths = sorted(path for path in (corpus / folder).rglob("*") if path.stat().st_size < 200_000)
    for path in paths[::5]:
        if path.is_file() and path.suffix != ".json":
            data = path.read_bytes()
            assert header_there(data) == header_here(data), path
            assert rendered_there(data) == rendered_here(data), path


@pytest.mark.parametrize(("format", "mode"), [("JPEG", "L"), ("PNG", "RGBA"), ("WEBP", "RGBA"), ("GIF", "L")])
def test_picture_gives_the_same_bytes_as_here(format: str, mode: str, make_image: MakeImage) -> None:
    data = make_image(format=format, mode=mode)
    assert rendered_there(data) == rendered_here(data)


def test_handed_pixels_give_the_same_bytes(make_image: MakeImage, tmp_path: Path) -> None:
    data, path = make_image(format="PNG", mode="RGBA"), tmp_path / "pixels"
    with decoded(data, later=(SMALL,)) as source, path.open("wb+") as file:
        file.truncate(source.pixels)
        source.write_pixels(file)
        expected = results_of(source)
    with (
        path.open("rb") as pixels,
        decode(
            data,
            presets=[SMALL, SQUARE],
            handed=pixels,
            limits=LIMITS,
            resampler=INSTALLED,
            options=OPTIONS,
            seconds=120,
            cpu_seconds=120,
        ) as source,
    ):
        assert results_of(source) == expected


def test_renderer_cannot_change_a_received_file(make_file: MakeFile, make_image: MakeImage) -> None:
    file = make_file(make_image())
    descriptor = rendering._read_only(cast("BinaryIO", file))
    flags = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()[1].split()[1]
    # The last two bits of the flags: O_RDONLY is 0.
    assert int(flags, 8) & 0b11 == 0
    assert read_header(cast("BinaryIO", file), name="sea", limits=LIMITS, options=OPTIONS).width == 600


def failing(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[Exception]:
    """Let the next requests for a renderer fail; return the errors that are left."""
    left = list(errors)
    lend = POOL.renderer

    def fail(*arguments: Any, **options: Any) -> Any:
        if left:
            raise left.pop(0)
        return lend(*arguments, **options)

    monkeypatch.setattr(POOL, "renderer", fail)
    return left


def test_header_that_ends_its_renderer_once_is_read_again(
    monkeypatch: pytest.MonkeyPatch, make_image: MakeImage
) -> None:
    left = failing(monkeypatch, RendererDied("SIGSEGV"))
    assert header_there(make_image()) == header_here(make_image())
    assert left == []


def test_header_that_ends_its_renderer_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, make_image: MakeImage
) -> None:
    failing(monkeypatch, RendererDied("SIGSEGV"), RendererDied("too slow", fault="slow"))
    with pytest.raises(UnreadableImage, match="sea is damaged"):
        read_header(BytesIO(make_image()), name="sea", limits=LIMITS, options=OPTIONS)


def test_header_without_a_renderer_can_be_sent_again(
    monkeypatch: pytest.MonkeyPatch, make_image: MakeImage
) -> None:
    failing(monkeypatch, RendererUnavailable("busy"))
    with pytest.raises(ReaderBusy) as raised:
        read_header(BytesIO(make_image()), name="sea", limits=LIMITS, options=OPTIONS)
    assert (raised.value.status, raised.value.retry_after) == (503, 5)


def test_answer_about_another_size_ends_the_renderer(
    monkeypatch: pytest.MonkeyPatch, make_image: MakeImage
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InvalidAnswer("too large")

    monkeypatch.setattr(answers, "description_of", refuse)
    with pytest.raises(RendererDied), decoded(make_image()):
        raise AssertionError("not reached")
