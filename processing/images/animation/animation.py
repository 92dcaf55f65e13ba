"""Animations: every frame as browsers show it, within a budget.

The frames are decoded once for all sizes, and none is kept. Memory does not grow with their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops

from processing.images.animation.apng import read_apng
from processing.images.animation.frames import Film, Timed, composed
from processing.images.animation.gif import first_patch, read_gif
from processing.images.animation.sequences import read_sequence
from processing.images.colour.conversion import in_srgb
from processing.images.encoding.credit import NO_CREDIT, Credit
from processing.images.encoding.encoding import Encoded, quality_of, ready, webp_effort
from processing.images.encoding.webp import AnimatedWebP, Look
from processing.images.geometry.orientation import swapped, turned
from processing.images.geometry.resampling import resampled
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import decoder_errors
from processing.presets import Framing, Point, Preset, Resampler, Size

# Milliseconds. Browsers show a frame of up to 10 ms for 100 ms (Chromium's BitmapImage, WebKit's
# ImageSource), because encoders write such delays when none was set.
_TOO_SHORT, _INSTEAD = 10, 100
# Pixels, 4096 × 4096. Measured: 30 bytes of memory for each pixel of the canvas, 500 MB here.
_LARGEST_CANVAS = 4096 * 4096
# The longest duration of a WebP's frame: 24 bits of milliseconds.
_LONGEST = 2**24 - 1


@dataclass(frozen=True, slots=True)
class Animation:
    """An animated original: its frames, and how they are turned upright and converted to sRGB.

    `data` is the original and `image` the opened original; both describe its colours.
    """

    data: bytes
    film: Film
    image: Image.Image
    orientation: int
    resampler: Resampler

    @property
    def frames(self) -> int:
        """Return the number of frames, including those beyond the budget."""
        return self.film.count + self.film.left_out

    @property
    def is_too_large(self) -> bool:
        """Return whether the canvas would take too much memory, so that only the first frame is shown."""
        return self.image.width * self.image.height > _LARGEST_CANVAS

    def render_all(
        self, framings: Sequence[Framing], *, credit: Credit = NO_CREDIT
    ) -> dict[Framing, Encoded]:
        """Return the animated WebP of each framing; if all its frames are equal, it is a still picture.

        Raises `UnreadableImage` or `TooManyPixels` for any error of the decoder.
        """
        size = swapped(self.image.size, self.orientation)
        looks = {framing: _look(*framing, size) for framing in framings}
        encoders = {look: AnimatedWebP(look, plays=self.film.plays) for look in looks.values()}
        for frame, milliseconds in self._finished():
            for look, encoder in encoders.items():
                encoder.add(ready(self._resized(frame, look)), milliseconds)
        encoded = {
            look: encoder.finished(frames_left_out=self.film.left_out, credit=credit)
            for look, encoder in encoders.items()
        }
        return {framing: encoded[look] for framing, look in looks.items()}

    def _finished(self) -> Iterator[Timed]:
        """Yield the frames upright and in sRGB, as RGB if they are opaque and RGBa otherwise."""
        with decoder_errors("The file"):
            for frame, milliseconds in _different(self.film.start()):
                picture = in_srgb(_premultiplied(frame), self.image, self.data)
                yield turned(picture, self.orientation), milliseconds

    def _resized(self, frame: Image.Image, look: Look) -> Image.Image:
        return resampled(frame, look.size, box=look.box, resampler=self.resampler)


def is_animated(image: Image.Image) -> bool:
    """Return whether the frames follow each other in time; those of an MPO or HEIC do not."""
    return image.format in {"GIF", "PNG", "WEBP", "AVIF"} and bool(getattr(image, "is_animated", False))


def read_animation(
    data: bytes, *, image: Image.Image, orientation: int, limits: Limits, resampler: Resampler
) -> Animation | None:
    """Return the animation in `data`, or None for a still picture or without a whole frame.

    `image` is the opened original. This function decodes no pixel.
    """
    if not is_animated(image):
        return None
    if image.format == "GIF":
        film = read_gif(data, canvas=image.size, limits=limits)
    elif image.format == "PNG":
        film = read_apng(data, canvas=image.size, limits=limits)
    else:
        film = read_sequence(data, image=image, limits=limits)
    return Animation(data, film, image, orientation, resampler) if film.count else None


def first_frame(data: bytes, *, image: Image.Image) -> Image.Image:
    """Return the picture to decode for a still: `image`, or the first frame of a GIF on its canvas.

    Pillow fills the canvas around that frame with a colour; browsers leave it transparent.
    """
    patch = first_patch(data) if image.format == "GIF" else None
    if patch is None or (patch.whole and (patch.place, patch.size) == ((0, 0), image.size)):
        return image
    ((frame, _),) = composed([patch], canvas=image.size)
    return frame


def _different(frames: Iterator[Timed]) -> Iterator[Timed]:
    """Yield the frames that differ from the one before, each with the total duration of its equal frames."""
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
    """Return RGB if every pixel is opaque, otherwise RGBa with premultiplied alpha."""
    if frame.mode == "RGB":
        return frame
    lowest, _ = frame.getchannel("A").getextrema()
    return frame.convert("RGB") if lowest == 255 else frame.convert("RGBa")


def _look(preset: Preset, focus: Point, size: Size) -> Look:
    """Return the preset's effect on frames of that size: many presets treat small frames alike."""
    box = preset.crop(size, focus)
    return Look(preset.output_size(size), box, quality_of(preset, "webp"), webp_effort(preset))
