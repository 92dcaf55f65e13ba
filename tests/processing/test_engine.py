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
from processing.presets import FORMATS, Format, Preset, Recipe
from tests.processing.pictures import LIMITS, opened

pytestmark = [
    pytest.mark.skipif(
        platform.machine() not in {"x86_64", "AMD64"},
        reason="Codecs are the same to the bit on one architecture only, and these digests are from x86-64.",
    ),
    pytest.mark.slow,
]

# By format and transparency. For PNG, the pixels count, because the compression may differ between
# processors.
KNOWN: dict[tuple[Format, bool], tuple[int, str]] = {
    ("webp", False): (2, "78fb2c21397e3f25"),
    ("webp", True): (2, "913e84d04178f446"),
    ("jpeg", False): (2, "7a4e8f37def0f37a"),
    ("jpeg", True): (2, "eb3b73307b34bbc6"),
    ("png", False): (1, "f559ac66204dcaea"),
    ("png", True): (1, "80fd829d4d10fe2f"),
    ("avif", False): (2, "8700443778b5eeca"),
    ("avif", True): (2, "ea175c1674bd0c74"),
}
# The same for a graphic.
KNOWN_GRAPHICS: dict[Format, tuple[int, str]] = {
    "webp": (2, "981f1d8fd866da7e"),
    "jpeg": (2, "787631b4e3711ff6"),
    "png": (1, "2746ae8f59b97b47"),
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
def test_changed_bytes_require_a_new_engine_version(format: Format, transparent: bool) -> None:
    digest = digest_of(scene(transparent=transparent), format)
    assert KNOWN.get((format, transparent)) == (ENGINE_VERSIONS[format], digest)


@pytest.mark.parametrize("format", FORMATS)
def test_changed_bytes_of_a_graphic_require_a_new_engine_version(format: Format) -> None:
    assert KNOWN_GRAPHICS[format] == (ENGINE_VERSIONS[format], digest_of(drawing(), format))


def digest_of(data: bytes, format: Format) -> str:
    """Return the digest of a picture's renditions."""
    source = decode(data, presets=PRESETS, limits=LIMITS)
    digest = hashlib.sha256()
    for encoded in source.render_all([Recipe(preset, format) for preset in PRESETS]):
        digest.update(opened(encoded.data).tobytes() if format == "png" else encoded.data)
    return digest.hexdigest()[:16]
