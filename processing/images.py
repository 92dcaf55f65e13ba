"""Pixels: read a picture's header, decode it once, render it by presets. The only Pillow import.

The recipe of a rendition:

1. `decode` the original once, scaled down by the decoder where it can (JPEG);
2. reduce it to the largest size wanted, in the orientation it is stored in;
3. bring its colours to sRGB, then turn it upright: both cost less on fewer pixels;
4. cascade: every smaller size comes from the smallest picture that is still large enough;
5. crop, encode, and keep nothing but pixels.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

import pillow_heif
from PIL import Image, ImageCms, features

from processing.errors import Refusal
from processing.presets import Box, Format, Preset, Size, scaled

pillow_heif.register_heif_opener(thumbnails=False)
# Pillow refuses more than twice this many. It stands behind our own limits, for what Pillow
# allocates before anybody can ask: a GIF's frame can claim more than its canvas.
Image.MAX_IMAGE_PIXELS = 210_000_000

INPUT_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF")
# What files of these formats begin with: (offset, bytes).
_SIGNATURES = (
    (0, b"\xff\xd8\xff"),
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"GIF8"),
    (8, b"WEBP"),
    (4, b"ftyp"),
)
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A picture this many times as large as the next size loses nothing as its source.
_CASCADE_RATIO = 1.5
_SRGB = ImageCms.createProfile("sRGB")
_QUALITY: dict[Format, int] = {"webp": 80, "jpeg": 82, "avif": 60, "png": 0}
_PLACEHOLDER_SIDE = 32


class UnsupportedFormat(Refusal):
    """The bytes are no picture of a format that is taken."""

    code = "unsupported_format"
    title = "This kind of file is not supported"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnreadableImage(Refusal):
    """The picture is damaged."""

    code = "unreadable_image"
    title = "The image cannot be read"
    status = HTTPStatus.BAD_REQUEST


class TooManyPixels(Refusal):
    """The picture is larger than the limit."""

    code = "too_many_pixels"
    title = "The image has too many pixels"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before any pixel is decoded; the size is upright."""

    format: str
    width: int
    height: int
    has_alpha: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """A rendition's bytes, with its size in pixels and its number of frames."""

    data: bytes
    width: int
    height: int
    frames: int


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What is shown before the thumbnail: small RGBA pixels and the dominant colour as #rrggbb."""

    width: int
    height: int
    rgba: bytes
    color: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How many pixels one frame, and all frames of an animation together, may have."""

    pixels: int
    animation_pixels: int


@dataclass(slots=True)
class Source:
    """A decoded original, upright and in sRGB, ready to be rendered by presets.

    `size` is that of the original, upright; `pictures` are the reductions made so far, largest
    first, all of the whole picture; `ladder` has the sizes that the cascade is still to reach.
    """

    size: Size
    transparent: bool
    pictures: list[Image.Image]
    ladder: list[Size]
    animation: "_Animation | None" = field(default=None)

    def render(self, preset: Preset, format: Format) -> Encoded:
        """Return the rendition of this original by `preset` in `format`."""
        if self.animation and format == "webp":
            return self.animation.render(preset, self.size)
        picture = _straight_alpha(_resize(self._base(preset), self.size, preset))
        return Encoded(_encode(picture, preset, format), *picture.size, frames=1)

    def placeholder(self) -> Placeholder:
        """Return what to show before the thumbnail is there."""
        picture = self.pictures[0].copy()
        picture.thumbnail((_PLACEHOLDER_SIDE, _PLACEHOLDER_SIDE), Image.Resampling.BOX)
        rgba = _straight_alpha(picture).convert("RGBA")
        return Placeholder(*rgba.size, rgba.tobytes(), _dominant_color(rgba))

    def _base(self, preset: Preset) -> Image.Image:
        """Return the picture to resize from.

        The cascade goes through the same sizes whichever are asked for and in whatever order, so
        that a rendition's bytes depend on the original and the presets alone.
        """
        target = scaled(self.size, preset.scale(self.size))
        while self.ladder and self.ladder[0] >= target:
            self._descend(self.ladder.pop(0))
        return self._smallest_for(target)

    def _descend(self, size: Size) -> None:
        base = self._smallest_for(size)
        if _large_enough(base.size, size):
            self.pictures.append(base.resize(size, Image.Resampling.LANCZOS))

    def _smallest_for(self, target: Size) -> Image.Image:
        """Return the smallest picture so far that is of this size or large enough for it."""
        fitting = [p for p in self.pictures if p.size == target or _large_enough(p.size, target)]
        return fitting[-1] if fitting else self.pictures[0]


@dataclass(slots=True)
class _Animation:
    """The frames of an animated original, each upright, in sRGB and as large as the largest preset."""

    frames: list[Image.Image]
    durations: list[int]
    loop: int

    def render(self, preset: Preset, size: Size) -> Encoded:
        pictures = [_straight_alpha(_resize(frame, size, preset)) for frame in self.frames]
        output = BytesIO()
        pictures[0].save(
            output,
            "WEBP",
            save_all=True,
            append_images=pictures[1:],
            duration=self.durations,
            loop=self.loop,
            quality=_quality(preset, "webp"),
            method=_webp_effort(preset),
        )
        return Encoded(output.getvalue(), *pictures[0].size, frames=len(pictures))


def read_header(file: BinaryIO, *, name: str, max_pixels: int) -> Header:
    """Return what the file's first bytes say, without decoding a pixel.

    Raises `UnsupportedFormat`, `UnreadableImage` or `TooManyPixels`; `name` is only for their text.
    """
    start = file.read(16)
    file.seek(0)
    if not any(start[offset : offset + len(magic)] == magic for offset, magic in _SIGNATURES):
        raise UnsupportedFormat(
            f"{name} is no picture of a kind we take; send JPEG, PNG, GIF, WebP, AVIF or HEIC."
        )
    _raise_pillow_limit(max_pixels)
    with _decoder_errors(name), Image.open(file, formats=INPUT_FORMATS) as image:
        _check_pixels(image.size, name=name, max_pixels=max_pixels)
        width, height = _upright_size(image.size, _orientation(image))
        return Header(_format_name(image), width, height, image.has_transparency_data)


def decode(data: bytes, *, presets: Sequence[Preset], limits: Limits) -> Source:
    """Return the original in `data`, decoded once, large enough for every one of `presets`.

    Give it all presets that are ever rendered together: they determine the cascade, and with it
    the bytes of each rendition.

    Raises `UnreadableImage`, `UnsupportedFormat` or `TooManyPixels`, whatever the decoder throws.
    """
    _raise_pillow_limit(limits.pixels)
    with _decoder_errors("The file"), Image.open(BytesIO(data), formats=INPUT_FORMATS) as image:
        _check_pixels(image.size, name="The file", max_pixels=limits.pixels)
        stored, orientation = image.size, _orientation(image)
        size = _upright_size(stored, orientation)
        scale = min(1.0, max((preset.scale(size) for preset in presets), default=1.0))
        animation = _decode_animation(image, scaled(stored, scale), limits) if _is_animated(image) else None
        if animation is None:
            image.draft(None, scaled(stored, scale))
        picture = _reduce(image, scaled(stored, scale))
        # A PNG may tell its orientation after its pixels, so it is asked for again.
        orientation = _orientation(image, loaded=True)
        picture = _turn(_to_srgb(picture, image), orientation)
        size = _upright_size(stored, orientation)
        return Source(size, picture.mode == "RGBa", [picture], _ladder(size, presets), animation)


def placeholder_picture(*, size: Size, color: str) -> bytes:
    """Return a small PNG of one colour, `size` pixels large, to stand where a rendition will be."""
    image = Image.new("P", size)
    image.putpalette(bytes.fromhex(color.removeprefix("#")))
    output = BytesIO()
    image.save(output, "PNG", bits=1)
    return output.getvalue()


def can_encode(format: Format) -> bool:
    """Tell whether this installation has the encoder of `format`."""
    return format in {"jpeg", "png"} or bool(features.check(format))


@contextmanager
def _decoder_errors(name: str) -> Iterator[None]:
    """Turn whatever a decoder throws into the one error that is final."""
    with warnings.catch_warnings():
        # A decoder's warnings are about the file, which is somebody else's.
        warnings.simplefilter("ignore")
        try:
            yield
        except Refusal:
            raise
        except MemoryError as error:
            raise TooManyPixels(f"{name} needs more memory than is given; send a smaller version.") from error
        except Image.DecompressionBombError as error:
            raise TooManyPixels(f"{name} has many more pixels than are taken; send a smaller one.") from error
        except Exception as error:
            raise UnreadableImage(
                f"{name} is damaged or incomplete; try to open and save it again."
            ) from error


def _raise_pillow_limit(max_pixels: int) -> None:
    """Let Pillow take what our limit takes; it is never lowered, for other threads may be decoding."""
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)


def _check_pixels(size: Size, *, name: str, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise TooManyPixels(
            f"{name} has {size[0]} × {size[1]} pixels; at most {max_pixels / 1e6:.0f} megapixels are taken."
        )


def _format_name(image: Image.Image) -> str:
    """Return the format in small letters; an MPO is a JPEG with more behind it."""
    name = (image.format or "").lower()
    return {"mpo": "jpeg"}.get(name, name)


def _is_animated(image: Image.Image) -> bool:
    """Tell whether several frames follow each other in time; an MPO's or HEIC's are no animation."""
    return image.format in {"GIF", "PNG", "WEBP", "AVIF"} and getattr(image, "n_frames", 1) > 1


def _orientation(image: Image.Image, *, loaded: bool = False) -> int:
    """Return the EXIF orientation, 1 to 8; anything else in the tag counts as 1.

    Before the pixels are loaded a PNG is asked only for what stands before them: `getexif`
    would decode it. HEIC is turned upright by its decoder.
    """
    if image.format == "HEIF":
        return 1
    if image.format == "PNG" and not loaded and "exif" not in image.info:
        return 1
    value = image.getexif().get(_ORIENTATION_TAG, 1)
    return value if value in _TURNS else 1


def _upright_size(size: Size, orientation: int) -> Size:
    return (size[1], size[0]) if orientation >= 5 else size


def _turn(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def _reduce(image: Image.Image, size: Size) -> Image.Image:
    """Return the first frame at `size` or larger by the decoder, in a mode that can be resized."""
    if getattr(image, "n_frames", 1) > 1:
        image.seek(0)
    image.load()
    picture = _resizable(image)
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)


def _resizable(image: Image.Image) -> Image.Image:
    """Return the picture in one of L, RGB, RGBa (alpha premultiplied), CMYK or LAB."""
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return _eight_bits(image)
    if image.has_transparency_data:
        return _premultiplied(image.convert("RGBA"))
    if image.mode in {"L", "RGB", "CMYK", "LAB"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return 16-bit grey scaled to 8 bits; Pillow's own conversion would clip it to white."""
    grey = image.convert("I")
    return grey.point([value >> 8 for value in range(65536)], "L")


def _premultiplied(image: Image.Image) -> Image.Image:
    """Return RGBA with premultiplied alpha, or RGB where every pixel is opaque."""
    lowest, _ = image.getchannel("A").getextrema()
    return image.convert("RGB") if lowest == 255 else image.convert("RGBa")


def _straight_alpha(picture: Image.Image) -> Image.Image:
    return picture.convert("RGBA") if picture.mode == "RGBa" else picture


def _to_srgb(picture: Image.Image, image: Image.Image) -> Image.Image:
    """Return the picture in sRGB, as RGB or RGBa, by the profile that the original carries."""
    profile = image.info.get("icc_profile")
    if profile:
        converted = _apply_profile(picture, profile)
        if converted is not None:
            return converted
    return picture if picture.mode in {"RGB", "RGBa"} else picture.convert("RGB")


def _apply_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """Return the picture in sRGB, or None where the profile is broken or of another colour space."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if picture.mode != "RGBa":
            return ImageCms.profileToProfile(picture, source, _SRGB, outputMode="RGB")
        straight = picture.convert("RGBA")
        converted = ImageCms.profileToProfile(straight.convert("RGB"), source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if converted is None:
        return None
    converted.putalpha(straight.getchannel("A"))
    return converted.convert("RGBa")


def _decode_animation(image: Image.Image, size: Size, limits: Limits) -> _Animation | None:
    """Return the frames that fit the budget, of `size`, or None where only one does."""
    count = min(getattr(image, "n_frames", 1), limits.animation_pixels // (image.width * image.height))
    if count < 2:
        return None
    frames, durations, orientation, pixels = [], [], _orientation(image), 0
    for index in range(count):
        image.seek(index)
        # A GIF's canvas can grow with each frame.
        _check_pixels(image.size, name="The file", max_pixels=limits.pixels)
        pixels += image.width * image.height
        if pixels > limits.animation_pixels:
            break
        frame = _premultiplied(image.convert("RGBA"))
        if frame.size != size:
            frame = frame.resize(size, Image.Resampling.BICUBIC)
        frames.append(_turn(_to_srgb(frame, image), orientation))
        durations.append(int(image.info.get("duration", 100)) or 100)
    if any(frame.mode == "RGBa" for frame in frames):
        frames = [frame.convert("RGBA").convert("RGBa") for frame in frames]
    return _Animation(frames, durations, _plays(image))


def _plays(image: Image.Image) -> int:
    """Return how often an animation plays; 0 is for ever. A GIF says how often it is repeated."""
    loop = image.info.get("loop")
    if loop is None:
        return 1
    return int(loop) + 1 if image.format == "GIF" and loop else int(loop)


def _ladder(size: Size, presets: Sequence[Preset]) -> list[Size]:
    """Return the sizes of the whole picture that smaller ones are made from, largest first."""
    sizes = {scaled(size, preset.scale(size)) for preset in presets if preset.mode == "fit"}
    return sorted(sizes, reverse=True)


def _large_enough(size: Size, target: Size) -> bool:
    return size[0] >= target[0] * _CASCADE_RATIO and size[1] >= target[1] * _CASCADE_RATIO


def _resize(base: Image.Image, size: Size, preset: Preset) -> Image.Image:
    """Return `base`, a reduction of a picture of `size`, cropped and resized by `preset`."""
    factor_x, factor_y = base.width / size[0], base.height / size[1]
    left, top, right, bottom = preset.crop(size)
    box: Box = (left * factor_x, top * factor_y, right * factor_x, bottom * factor_y)
    target = preset.output_size(size)
    if base.size == target and box == (0, 0, *base.size):
        return base
    return base.resize(target, Image.Resampling.LANCZOS, box=box)


def _dominant_color(rgba: Image.Image) -> str:
    """Return the colour of the largest cluster of similar pixels (median cut, 6 clusters)."""
    data = rgba.tobytes()
    opaque = [data[start : start + 3] for start in range(0, len(data), 4) if data[start + 3] >= 128]
    if not opaque:
        return "#ffffff"
    clusters = Image.frombytes("RGB", (len(opaque), 1), b"".join(opaque)).quantize(6)
    sizes = clusters.histogram()
    index = sizes.index(max(sizes))
    red, green, blue = (clusters.getpalette() or [255] * 3)[index * 3 : index * 3 + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _quality(preset: Preset, format: Format) -> int:
    return preset.quality if preset.quality is not None else _QUALITY[format]


def _webp_effort(preset: Preset) -> int:
    return min(6, 2 if preset.effort is None else preset.effort)


def _encode(picture: Image.Image, preset: Preset, format: Format) -> bytes:
    """Return the encoded picture: pixels only, no profile, comment or metadata."""
    clean = picture.copy()
    clean.info = {}
    output = BytesIO()
    _ENCODERS[format](clean, output, preset)
    return output.getvalue()


def _encode_webp(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    picture.save(output, "WEBP", quality=_quality(preset, "webp"), method=_webp_effort(preset))


def _encode_jpeg(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    flat = _flatten(picture) if picture.mode == "RGBA" else picture
    flat.save(output, "JPEG", quality=_quality(preset, "jpeg"), progressive=True, optimize=True)


def _encode_png(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    picture.save(output, "PNG", compress_level=min(9, 6 if preset.effort is None else preset.effort))


def _encode_avif(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    speed = 8 if preset.effort is None else 10 - preset.effort
    picture.save(output, "AVIF", quality=_quality(preset, "avif"), speed=speed, max_threads=1)


def _flatten(picture: Image.Image, background: str = "#ffffff") -> Image.Image:
    canvas = Image.new("RGB", picture.size, background)
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas


_ENCODERS: dict[Format, Callable[[Image.Image, BinaryIO, Preset], None]] = {
    "webp": _encode_webp,
    "jpeg": _encode_jpeg,
    "png": _encode_png,
    "avif": _encode_avif,
}
