"""Source: an original, decoded once, and its renditions.

A rendition is made in these steps:

1. `decoded_picture`: decode the original once. The decoder scales it down if it can (JPEG). Alpha is
   premultiplied, and the picture is reduced to the largest wanted size, in its stored orientation.
2. `in_srgb`: convert its colours to sRGB.
3. `turned`: turn it upright. Colours and turning cost less on fewer pixels.
4. `framed`: crop and reduce it for each preset.
5. `encode`: write the pixels and the credit. A graphic keeps its colours sharp (`is_graphic`).
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import groupby
from time import perf_counter

from PIL import Image

from processing.images.animation.animation import Animation, first_frame, read_animation
from processing.images.colour.conversion import in_srgb
from processing.images.encoding.credit import NO_CREDIT, Credit
from processing.images.encoding.encoders import Encoders
from processing.images.encoding.encoding import Encoded, Traits, encode, ready
from processing.images.encoding.graphics import is_graphic
from processing.images.encoding.placeholder import PLACEHOLDER_SIDE, Placeholder, placeholder_of
from processing.images.encoding.webp import is_lossless
from processing.images.geometry.attention import focus_of
from processing.images.geometry.framing import first_size, framed
from processing.images.geometry.orientation import stored_orientation, swapped, told_orientation, turned
from processing.images.geometry.reduction import decoded_picture, loaded
from processing.images.geometry.resampling import INSTALLED, miniature, resampled
from processing.images.reading.available import load_available
from processing.images.reading.chunks import without_damage
from processing.images.reading.credit import read_credit
from processing.images.reading.formats import opened
from processing.images.reading.limits import Limits
from processing.images.reading.metadata import Metadata, read_metadata
from processing.images.reading.truncation import is_truncated, without_torn_end
from processing.presets import CENTRE, Framing, Point, Preset, Recipe, Resampler, Size


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of the one decode: the reduced picture as it is stored, its orientation, and its credit.

    A PNG may hold the last two behind its pixels.
    """

    orientation: int
    picture: Image.Image
    credit: Credit = NO_CREDIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A decoded original, ready to be rendered.

    `size` is the original's. `truncated` is whether its file ends too early, so that pixels or frames may be
    missing. `was_lossless` says that it is a lossless WebP. `credit` is written into each rendition.
    `picture` is its first reduction, upright and in sRGB.
    """

    size: Size
    metadata: Metadata
    truncated: bool
    transparent: bool
    was_lossless: bool
    credit: Credit
    picture: Image.Image
    resampler: Resampler
    animation: Animation | None
    decoded: Decoded | None

    def render(self, recipe: Recipe, *, focus: Point = CENTRE) -> Encoded:
        """Return the rendition by `recipe`, cropped around the recipe's focal point or `focus`."""
        (encoded,) = self.render_all([recipe], focus=focus, threads=1)
        return encoded

    def render_all(
        self, recipes: Sequence[Recipe], *, focus: Point = CENTRE, threads: int = 2
    ) -> Iterator[Encoded]:
        """Yield the renditions in the order of the recipes.

        A recipe without a focal point uses `focus`. Encoders run in up to `threads` threads, including this
        one. The number of threads does not change the bytes.
        """
        begun = perf_counter()
        animated = self._animated(recipes, focus)
        animating = (perf_counter() - begun) / max(1, len(animated))
        with Encoders(threads=threads) as encoders:
            for framing, group in groupby(recipes, key=partial(_framing, focus)):
                begun = perf_counter()
                picture = ready(self._framed(*framing))
                resizing = perf_counter() - begun
                traits = Traits(is_graphic(picture), self.was_lossless, self.credit)
                for recipe in group:
                    job = partial(_timed, partial(self._still, picture, recipe, traits), resizing)
                    resizing = 0.0
                    if recipe.format == "webp" and framing in animated:
                        # Its frames were decoded, resized and encoded together.
                        job = partial(replace, animated[framing], encode_seconds=animating)
                    # Pillow's JPEG encoder holds the GIL, so another thread would gain nothing.
                    encoders.add(self._effect(recipe, framing), job, here=recipe.format == "jpeg")
                    yield from encoders.finished()
            yield from encoders.rest()

    def _framed(self, preset: Preset, focus: Point) -> Image.Image:
        return framed(self.picture, size=self.size, preset=preset, focus=focus, resampler=self.resampler)

    def _animated(self, recipes: Sequence[Recipe], focus: Point) -> dict[Framing, Encoded]:
        """Return the animated renditions; the frames are decoded once for all of them."""
        framings = [_framing(focus, recipe) for recipe in recipes if recipe.format == "webp"]
        if not framings or self.animation is None or self.animation.is_too_large:
            return {}
        return self.animation.render_all(framings, credit=self.credit)

    def _still(self, picture: Image.Image, recipe: Recipe, traits: Traits) -> Encoded:
        """Encode a still picture, which other threads may encode too.

        A still WebP of an animation counts the other frames as left out.
        """
        encoded = encode(picture, recipe, traits)
        if self.animation is None or recipe.format != "webp":
            return encoded
        return replace(encoded, frames_left_out=self.animation.frames - 1)

    def _effect(self, recipe: Recipe, framing: Framing) -> Hashable:
        """Return a key for the recipe's result: many presets give a small original the same rendition."""
        preset, focus = framing
        shape = preset.output_size(self.size), preset.crop(self.size, focus)
        return shape, recipe.format, preset.quality, preset.effort, preset.background

    def focus(self) -> Point:
        """Return the focal point found in the picture."""
        return focus_of(self.picture)

    def placeholder(self) -> Placeholder:
        """Return what to show before the thumbnail is ready."""
        return placeholder_of(miniature(self.picture, PLACEHOLDER_SIDE))


def decode(
    data: bytes,
    *,
    presets: Sequence[Preset],
    limits: Limits,
    later: Sequence[Preset] = (),
    handed: Decoded | None = None,
    resampler: Resampler = INSTALLED,
) -> Source:
    """Return the original in `data`, decoded once, ready to be rendered by `presets`.

    Pass all presets of a step, even if only some are rendered: together they determine the first picture, and
    so the bytes of each rendition. `later` holds presets that will be rendered from these decoded pixels:
    `Source.decoded` is then large enough for them too. `handed` is an earlier `Source.decoded`: only the
    header is then read again.

    Raises `UnreadableImage`, `UnsupportedFormat`, `TooManyPixels` or `TooMuchMetadata` for any error here.
    """
    sent, truncated = data, is_truncated(data)
    data = without_torn_end(sent) if truncated else sent
    data = without_damage(BytesIO(data), pixels=True).read()
    with opened(data, limits=limits) as image:
        stored = image.size  # The decoder changes it when it scales.
        decoded = handed or _decoded(
            data, image, [*presets, *later], resampler, torn=sent if truncated else None
        )
        orientation = decoded.orientation
        size = swapped(stored, orientation)
        first = swapped(first_size(size, presets), orientation)
        picture = in_srgb(resampled(decoded.picture, first, resampler=resampler), image, data)
        picture = turned(picture, orientation)
        animation = read_animation(
            data, image=image, orientation=orientation, limits=limits, resampler=resampler
        )
        return Source(
            size=size,
            metadata=read_metadata(image, frames=animation.frames if animation else 1),
            truncated=truncated,
            transparent=picture.mode == "RGBa",
            was_lossless=is_lossless(data),
            credit=decoded.credit,
            picture=picture,
            resampler=resampler,
            animation=animation,
            decoded=decoded if later else None,
        )


def _timed(job: Callable[[], Encoded], resizing: float) -> Encoded:
    """Run a job, and note how long it took after its picture was resized."""
    begun = perf_counter()
    encoded = job()
    return replace(encoded, resize_seconds=resizing, encode_seconds=perf_counter() - begun)


def _framing(focus: Point, recipe: Recipe) -> Framing:
    return recipe.preset, recipe.looks_at(focus)


def _decoded(
    data: bytes,
    image: Image.Image,
    presets: Sequence[Preset],
    resampler: Resampler,
    *,
    torn: bytes | None,
) -> Decoded:
    """Decode the original; `torn` is the file as it was sent if it is truncated."""
    # An orientation that follows the pixels of a truncated PNG is not looked for.
    orientation = stored_orientation(image) if torn is None else told_orientation(image)
    wanted = swapped(first_size(swapped(image.size, orientation), presets), orientation)
    load = loaded if torn is None else partial(load_available, data=torn)
    frame = first_frame(data, image=image)
    picture = decoded_picture(frame, wanted, resampler=resampler, load=load)
    credited = any(preset.keep_credit for preset in presets)
    return Decoded(orientation, picture, read_credit(image) if credited else NO_CREDIT)
