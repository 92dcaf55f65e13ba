"""The renderer's output for each engine version.

A failure means that an upgrade of Pillow or a codec library, or a change of the renderer, changed the output.
Look at the pictures. If they are right, raise the format's number in
`processing.fingerprint.ENGINE_VERSIONS`, so that its renditions become stale, and enter the new digest here.
"""

import hashlib
import platform
import random
from io import BytesIO

import pytest
from PIL import Image, ImageFilter

from processing.fingerprint import ENGINE_VERSIONS
from processing.images.source import decode
from processing.presets import FORMATS, RESAMPLERS, Format, Preset, Recipe, Resampler
from tests.processing.pictures import LIMITS, opened

pytestmark = [
    pytest.mark.skipif(
        platform.machine() not in {"x86_64", "AMD64"},
        reason="Codecs are the same to the bit on one architecture only, and these digests are from x86-64.",
    ),
    pytest.mark.slow,
]

# By resampler, format and transparency. For PNG, the pixels count, because the compression may differ between
# processors.
KNOWN: dict[tuple[Resampler, Format, bool], tuple[int, str]] = {
    ("simd", "webp", False): (2, "866ffd2dd3190ff2"),
    ("simd", "webp", True): (2, "4976f9da8464b06f"),
    ("simd", "jpeg", False): (2, "168d7f92aaba6cf5"),
    ("simd", "jpeg", True): (2, "31bc5d37701bd0da"),
    ("simd", "png", False): (2, "a7c3e422619082ff"),
    ("simd", "png", True): (2, "a43b1740e4929703"),
    ("simd", "avif", False): (2, "d3e9ef31e72b0f23"),
    ("simd", "avif", True): (2, "4add504580808677"),
    ("pillow", "webp", False): (2, "0362b81bf28d207e"),
    ("pillow", "webp", True): (2, "064bf88594ec76a7"),
    ("pillow", "jpeg", False): (2, "d4afd7658d2490da"),
    ("pillow", "jpeg", True): (2, "cabb31d049a29ad5"),
    ("pillow", "png", False): (2, "0948e49e0b1c9ac4"),
    ("pillow", "png", True): (2, "1598139f6b2a9ce9"),
    ("pillow", "avif", False): (2, "f9be38bfaf5c9fe9"),
    ("pillow", "avif", True): (2, "667cf643551e7415"),
}
# The same for a graphic, which is not resized.
KNOWN_GRAPHICS: dict[Format, tuple[int, str]] = {
    "webp": (2, "981f1d8fd866da7e"),
    "jpeg": (2, "787631b4e3711ff6"),
    "png": (2, "2746ae8f59b97b47"),
    "avif": (2, "5dfbc01befc436ef"),
}
PRESETS = [Preset(name=str(width), width=width) for width in (320, 160, 100)]


def scene(*, transparent: bool) -> bytes:
    """Return a PNG with edges, gradients and grain that is the same on every machine."""
    grain = Image.frombytes("RGB", (64, 48), random.Random(1).randbytes(64 * 48 * 3))
    image = grain.resize((701, 523), Image.Resampling.BICUBIC).filter(ImageFilter.BoxBlur(2))
    image.paste((250, 240, 20), (300, 100, 420, 333))
    if transparent:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    output = BytesIO()
    image.save(output, "PNG")
    return output.getvalue()


def drawing() -> bytes:
    """Return a PNG of few colours that is the same on every machine, and smaller than each preset."""
    image = Image.frombytes("P", (12, 9), bytes(value % 5 for value in random.Random(1).randbytes(12 * 9)))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 160, 0, 0, 0, 255, 255, 255, 0])
    output = BytesIO()
    image.resize((96, 72), Image.Resampling.NEAREST).save(output, "PNG")
    return output.getvalue()


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_changed_bytes_require_a_new_engine_version(
    resampler: Resampler, format: Format, transparent: bool
) -> None:
    digest = digest_of(scene(transparent=transparent), format, resampler)
    assert KNOWN.get((resampler, format, transparent)) == (ENGINE_VERSIONS[format], digest)


@pytest.mark.parametrize("resampler", RESAMPLERS)
@pytest.mark.parametrize("format", FORMATS)
def test_changed_bytes_of_a_graphic_require_a_new_engine_version(
    resampler: Resampler, format: Format
) -> None:
    assert KNOWN_GRAPHICS[format] == (ENGINE_VERSIONS[format], digest_of(drawing(), format, resampler))


def digest_of(data: bytes, format: Format, resampler: Resampler) -> str:
    """Return the digest of a picture's renditions."""
    source = decode(data, presets=PRESETS, limits=LIMITS, resampler=resampler)
    digest = hashlib.sha256()
    for encoded in source.render_all([Recipe(preset, format) for preset in PRESETS]):
        digest.update(opened(encoded.data).tobytes() if format == "png" else encoded.data)
    return digest.hexdigest()[:16]
