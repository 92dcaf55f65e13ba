"""Animations: every frame as it is seen, within a budget.

The frames pass once, whatever the number of sizes, and none is kept: memory does not grow with
their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops

from processing.images.animation.apng import read_apng
from processing.images.animation.frames import Film, Timed, composed
from processing.images.animation.gif import first_patch, read_gif
from processing.images.animation.sequences import read_sequence
from processing.images.colour.conversion import in_srgb
from processing.images.encoding.encoding import Encoded, quality_of, ready, webp_effort
from processing.images.encoding.webp import AnimatedWebP, Look
from processing.images.geometry.orientation import swapped, turned
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import decoder_errors
from processing.presets import Framing, Point, Preset, Size

# Milliseconds. Browsers show a frame of up to 10 ms for 100 ms (Chromium's BitmapImage, WebKit's
# ImageSource): such delays come from encoders that left them out.
_TOO_SHORT, _INSTEAD = 10, 100
# Pixels, 4096 × 4096. Measured: 30 bytes of memory for each pixel of the canvas, 500 MB here.
_LARGEST_CANVAS = 4096 * 4096
# The longest that a WebP's frame can say it lasts: 24 bits of milliseconds.
_LONGEST = 2**24 - 1
# How many times as large as its target a frame is when Lanczos is applied: what is more is averaged
# away, which is four times as fast and looks alike.
_GAP = 2.0


@dataclass(frozen=True, slots=True)
class Animation:
    """An animated original: its frames, and how they are turned upright and into sRGB.

    `data` is the original and `image` is it, opened, which tell of the colours.
    """

    data: bytes
    film: Film
    image: Image.Image
    orientation: int

    @property
    def frames(self) -> int:
        """Return how many frames there are, those beyond the budget included."""
        return self.film.count + self.film.left_out

    @property
    def is_too_large(self) -> bool:
        """Tell whether its canvas would take too much memory, so that only its first frame is shown."""
        return self.image.width * self.image.height > _LARGEST_CANVAS

    def render_all(self, framings: Sequence[Framing]) -> dict[Framing, Encoded]:
        """Return the animated WebP of each framing; one frame that is left gives a still picture.

        Raises `UnreadableImage` or `TooManyPixels`, whatever the decoder throws.
        """
        size = swapped(self.image.size, self.orientation)
        looks = {framing: _look(*framing, size) for framing in framings}
        encoders = {look: AnimatedWebP(look, plays=self.film.plays) for look in looks.values()}
        for frame, milliseconds in self._finished():
            for look, encoder in encoders.items():
                encoder.add(_resized(frame, look), milliseconds)
        encoded = {
            look: encoder.finished(frames_left_out=self.film.left_out) for look, encoder in encoders.items()
        }
        return {framing: encoded[look] for framing, look in looks.items()}

    def _finished(self) -> Iterator[Timed]:
        """Yield the frames upright and in sRGB, RGB where they are opaque and RGBa elsewhere."""
        with decoder_errors("The file"):
            for frame, milliseconds in _different(self.film.start()):
                picture = in_srgb(_premultiplied(frame), self.image, self.data)
                yield turned(picture, self.orientation), milliseconds


def is_animated(image: Image.Image) -> bool:
    """Tell whether several frames follow each other in time; an MPO's or HEIC's are no animation."""
    return image.format in {"GIF", "PNG", "WEBP", "AVIF"} and bool(getattr(image, "is_animated", False))


def read_animation(data: bytes, *, image: Image.Image, orientation: int, limits: Limits) -> Animation | None:
    """Return the animation in `data`, or None where nothing moves.

    `image` is the original, opened. No pixel is decoded here.
    """
    if not is_animated(image):
        return None
    if image.format == "GIF":
        film = read_gif(data, canvas=image.size, limits=limits)
    elif image.format == "PNG":
        film = read_apng(data, canvas=image.size, limits=limits)
    else:
        film = read_sequence(data, image=image, limits=limits)
    return Animation(data, film, image, orientation)


def first_frame(data: bytes, *, image: Image.Image) -> Image.Image:
    """Return what is to be decoded for a still: `image`, or the first frame of a GIF on its canvas.

    Pillow fills what that frame leaves free with a colour; browsers leave it clear.
    """
    patch = first_patch(data) if image.format == "GIF" else None
    if patch is None or (patch.place, patch.size) == ((0, 0), image.size):
        return image
    ((frame, _),) = composed([patch], canvas=image.size)
    return frame


def _different(frames: Iterator[Timed]) -> Iterator[Timed]:
    """Yield the frames that differ from the one before, each as long as it and its equals are shown."""
    held, length = next(frames)
    length = _shown(length)
    for frame, milliseconds in frames:
        shown = _shown(milliseconds)
        if length + shown <= _LONGEST and not ImageChops.difference(held, frame).getbbox(alpha_only=False):
            length += shown
        else:
            yield held, length
            held, length = frame, shown
    yield held, length


def _shown(milliseconds: float) -> float:
    """Return how long a browser shows a frame, in milliseconds."""
    return _INSTEAD if milliseconds <= _TOO_SHORT else min(milliseconds, _LONGEST)


def _premultiplied(frame: Image.Image) -> Image.Image:
    """Return RGB where every pixel is opaque, or else RGBA with premultiplied alpha."""
    if frame.mode == "RGB":
        return frame
    lowest, _ = frame.getchannel("A").getextrema()
    return frame.convert("RGB") if lowest == 255 else frame.convert("RGBa")


def _look(preset: Preset, focus: Point, size: Size) -> Look:
    """Return what the preset does to frames of that size: small ones look alike in many presets."""
    box = preset.crop(size, focus)
    return Look(preset.output_size(size), box, quality_of(preset, "webp"), webp_effort(preset))


def _resized(frame: Image.Image, look: Look) -> Image.Image:
    if frame.size != look.size or look.box != (0, 0, *look.size):
        frame = frame.resize(look.size, Image.Resampling.LANCZOS, box=look.box, reducing_gap=_GAP)
    return ready(frame)
