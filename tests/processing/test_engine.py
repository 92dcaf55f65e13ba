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
    ("simd", "webp", False): (2, "fea146ab434ac5f2"),
    ("simd", "webp", True): (2, "f8a04bb84381e051"),
    ("simd", "jpeg", False): (2, "e2cc0a8692b2e88f"),
    ("simd", "jpeg", True): (2, "07ba5f417eb212ff"),
    ("simd", "png", False): (2, "9d3c285d4ccf89b4"),
    ("simd", "png", True): (2, "14de9abbe55d2f50"),
    ("simd", "avif", False): (2, "06d1fb8b35554979"),
    ("simd", "avif", True): (2, "ff0fc0da99e773f0"),
    ("pillow", "webp", False): (2, "bd6edf40bc3ae860"),
    ("pillow", "webp", True): (2, "38412603828fac89"),
    ("pillow", "jpeg", False): (2, "1b005f315008892a"),
    ("pillow", "jpeg", True): (2, "34cb824c3787e82a"),
    ("pillow", "png", False): (2, "22255eaad30b1311"),
    ("pillow", "png", True): (2, "0f32e7a84ed881e8"),
    ("pillow", "avif", False): (2, "23ffa1974e18dd65"),
    ("pillow", "avif", True): (2, "0d48301f6c7f896d"),
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


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_changed_bytes_require_a_new_engine_version(
    resampler: Resampler, format: Format, transparent: bool
) -> None:
    source = decode(scene(transparent=transparent), presets=PRESETS, limits=LIMITS, resampler=resampler)
    digest = hashlib.sha256()
    for encoded in source.render_all([Recipe(preset, format) for preset in PRESETS]):
        digest.update(opened(encoded.data).tobytes() if format == "png" else encoded.data)
    assert KNOWN.get((resampler, format, transparent)) == (ENGINE_VERSIONS[format], digest.hexdigest()[:16])
