"""Formats: which are accepted, and which this installation can write."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError, features

from processing.errors import Phrase
from processing.images.reading.base_media.codings import DECODERS, RARE_KIND, coding_of, kind_of_coding
from processing.images.reading.base_media.mending import mended, without_exif
from processing.images.reading.bounds import check_bounds, check_tiles, check_told
from processing.images.reading.jpeg import unsupported_coding
from processing.images.reading.limits import INPUT_FORMATS, Limits, check_size
from processing.images.reading.refusals import UnsupportedFormat, decoder_errors
from processing.images.reading.signatures import BEGINNING, formats_of, kind_of
from processing.presets import Format

try:
    import pillow_heif
except ImportError:
    # The extra `heif` is not installed, so HEIC is refused like any other unknown format.
    INSTALLED = tuple(format for format in INPUT_FORMATS if format != "HEIF")
else:
    INSTALLED = INPUT_FORMATS
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
# Pillow refuses more than twice this many. It backs up our own limits, because Pillow allocates memory before
# we can check: a GIF's frame can claim more than its canvas.
Image.MAX_IMAGE_PIXELS = 210_000_000

_SPELLING = {"WEBP": "WebP", "HEIF": "HEIC"}
_BASE_MEDIA = {"AVIF", "HEIF"}
# How libheif and libavif say that a file uses what they cannot decode.
_BEYOND_DECODER = re.compile(r"Unsupported|.*(?:Not implemented|No codec available)")


@contextmanager
def opened(file: BinaryIO | bytes, *, limits: Limits, name: str = "The file") -> Iterator[Image.Image]:
    """Open a picture, reading only its header; its size is within the limits.

    Raises `UnsupportedFormat`, `UnreadableImage`, `TooManyPixels` or `TooMuchMetadata` for any error here or
    of a decoder inside the `with`. `name` is used only in their text.
    """
    stream = BytesIO(file) if isinstance(file, bytes) else file
    formats = _sniffed(stream, limits=limits, name=name)
    check_bounds(stream, format=formats[0], limits=limits, name=name)
    _check_coding(stream, format=formats[0], limits=limits, name=name)
    _let_pillow_take(limits)
    if _BASE_MEDIA.issuperset(formats):
        stream, formats = _base_media(stream.read(), formats, limits=limits, name=name)
    with (
        decoder_errors(name),
        _beyond_decoder(formats, limits=limits, name=name),
        _opened(stream, formats) as image,
    ):
        # pillow_heif shows another picture if libheif cannot read the primary item.
        if image.format == "HEIF" and not image.info["primary"]:
            raise ValueError("the primary item cannot be read")
        check_size(image.size, limits=limits, name=name)
        check_told(image.info, limits=limits, name=name)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            check_tiles(image.tag_v2, size=image.size, limits=limits, name=name)
        yield image


def _opened(stream: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """Open a picture; an AVIF is opened without its EXIF if that is broken."""
    try:
        return Image.open(stream, formats=formats)
    except (UnidentifiedImageError, ValueError):
        if formats != ("AVIF",):
            raise
        stream.seek(0)
        return Image.open(BytesIO(without_exif(stream.read())), formats=formats)


def _base_media(
    data: bytes, formats: tuple[str, ...], *, limits: Limits, name: str
) -> tuple[BytesIO, tuple[str, ...]]:
    """Return an AVIF or HEIF as its decoder accepts it, and the decoder of its coding.

    If the coding is unknown, the decoders of its brands try. Raises `UnsupportedFormat` for a coding without
    a decoder.
    """
    coding = coding_of(data)
    decoder = DECODERS.get(coding)
    if coding and decoder is None:
        raise _unsupported(kind_of_coding(coding), limits=limits, name=name)
    if decoder and decoder not in limits.formats:
        raise _unsupported(None, limits=limits, name=name)
    return BytesIO(mended(data)), (decoder,) if decoder else formats


@contextmanager
def _beyond_decoder(formats: tuple[str, ...], *, limits: Limits, name: str) -> Iterator[None]:
    """Turn errors of libheif and libavif about features that they do not have into a refusal."""
    try:
        yield
    except (RuntimeError, SyntaxError) as error:
        if _BASE_MEDIA.issuperset(formats) and _BEYOND_DECODER.match(str(error)):
            raise _unsupported(RARE_KIND, limits=limits, name=name) from error
        raise


def _let_pillow_take(limits: Limits) -> None:
    """Raise Pillow's limits to ours; never lower them, because other threads may be decoding."""
    largest = max(limits.profile_bytes, limits.text_bytes)
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.pixels)
    PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, largest)
    PngImagePlugin.MAX_TEXT_MEMORY = max(PngImagePlugin.MAX_TEXT_MEMORY, limits.text_bytes)


def format_name(image: Image.Image) -> str:
    """Return the format in lower case; an MPO is a JPEG followed by more pictures."""
    name = (image.format or "").lower()
    return {"mpo": "jpeg"}.get(name, name)


def can_encode(format: Format) -> bool:
    """Return whether this installation has the encoder of `format`."""
    return format in {"jpeg", "png"} or bool(features.check(format))


def _sniffed(stream: BinaryIO, *, limits: Limits, name: str) -> tuple[str, ...]:
    """Return the formats whose decoders may open the file, by its first bytes."""
    beginning = stream.read(BEGINNING)
    stream.seek(0)
    found = tuple(format for format in formats_of(beginning) if format in limits.formats)
    if not beginning:
        raise UnsupportedFormat("{name} is empty. Choose another file.", name=name)
    if not found:
        raise _unsupported(kind_of(beginning), limits=limits, name=name)
    return found


def _check_coding(stream: BinaryIO, *, format: str, limits: Limits, name: str) -> None:
    """Raise `UnsupportedFormat` for a JPEG of a rare kind, before the decoder calls it damaged."""
    kind = unsupported_coding(stream) if format == "JPEG" else None
    stream.seek(0)
    if kind:
        raise _unsupported(kind, limits=limits, name=name)


def _unsupported(kind: Phrase | None, *, limits: Limits, name: str) -> UnsupportedFormat:
    *several, last = (_SPELLING.get(format, format) for format in limits.formats)
    most = ", ".join(several)
    if kind is None:
        return UnsupportedFormat(
            "{name} is not a supported image. Upload {most} or {last}.", name=name, most=most, last=last
        )
    return UnsupportedFormat(
        "{name} is {kind}. Upload {most} or {last}.", name=name, kind=kind, most=most, last=last
    )
