"""Polyglots: pictures that are also scripts or pages. Only pixels reach a rendition."""

from collections.abc import Callable
from io import BytesIO
from struct import unpack_from
from zlib import compress

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import ExifTags, Image

from processing.images.reading.containers import png_chunks
from processing.images.source import decode
from processing.presets import FORMATS, Format, Preset, Recipe
from tests.conftest import MakeFile
from tests.processing.parts import box, chunk, gif, jpeg, part, png, saved, segment, webp
from tests.processing.pictures import LIMITS, THUMB, opened
from uploads import completion, services
from uploads.serving import links

pytestmark = [pytest.mark.any_database, pytest.mark.slow]

SCRIPT = b"<script>alert('darkroom')</script>"
MARKS = [b"<script", b"alert(", b"darkroom", b"*/=1"]
PRESETS = [THUMB, Preset(name="fit", width=40), Preset(name="whole", width=5000, background="#123456")]
# The parts that an encoder needs for pixels. No others are allowed.
NEEDED: dict[str, set[bytes | int]] = {
    "png": {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"},
    "webp": {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"},
    # APP0 (JFIF), tables and scans.
    "jpeg": {0xE0, 0xDB, 0xC0, 0xC2, 0xC4, 0xDA},
}


def exif() -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.ImageDescription] = SCRIPT.decode()
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0" + SCRIPT
    return tags.tobytes()


def animated(format: str) -> bytes:
    output = BytesIO()
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "green", "blue")]
    more = {"comment": SCRIPT} if format == "GIF" else {"exif": exif()}
    frames[0].save(output, format, save_all=True, append_images=frames[1:], duration=100, **more)
    return output.getvalue()


def script_in_gif() -> bytes:
    """Return a GIF whose width starts a JavaScript comment, which ends after the picture."""
    output = BytesIO()
    Image.new("P", (int.from_bytes(b"/*", "little"), 10)).save(output, "GIF")
    return output.getvalue() + b"*/=1;" + SCRIPT


POLYGLOTS: dict[str, Callable[[], bytes]] = {
    "JPEG comment": lambda: jpeg(segment(0xFE, SCRIPT)),
    "JPEG APP1": lambda: jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SCRIPT)),
    "JPEG APP13": lambda: jpeg(segment(0xED, b"Photoshop 3.0\0" + SCRIPT)),
    "JPEG EXIF": lambda: saved("JPEG", exif=exif()),
    "JPEG profile": lambda: jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1" + SCRIPT)),
    "JPEG trailer": lambda: saved("JPEG") + SCRIPT,
    "PNG tEXt": lambda: png(chunk(b"tEXt", b"Comment\0" + SCRIPT)),
    "PNG iTXt": lambda: png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SCRIPT)),
    "PNG zTXt": lambda: png(chunk(b"zTXt", b"Comment\0\0" + compress(SCRIPT))),
    "PNG unknown": lambda: png(chunk(b"evIl", SCRIPT)),
    "PNG EXIF": lambda: saved("PNG", exif=exif()),
    "PNG profile": lambda: png(chunk(b"iCCP", b"darkroom\0\0" + compress(SCRIPT))),
    "PNG trailer": lambda: saved("PNG") + SCRIPT,
    "APNG": lambda: animated("PNG"),
    "GIF comment": lambda: gif(b"\x21\xfe" + bytes([len(SCRIPT)]) + SCRIPT + b"\0"),
    "GIF application": lambda: gif(b"\x21\xff\x0bdarkroom1.0" + bytes([len(SCRIPT)]) + SCRIPT + b"\0"),
    "GIF trailer": lambda: saved("GIF") + SCRIPT,
    "GIF script": script_in_gif,
    "GIF animated": lambda: animated("GIF"),
    "WebP EXIF": lambda: webp(part(b"EXIF", exif())),
    "WebP XMP": lambda: webp(part(b"XMP ", SCRIPT)),
    "WebP unknown": lambda: webp(part(b"evIl", SCRIPT)),
    "WebP profile": lambda: webp(part(b"ICCP", SCRIPT)),
    "WebP trailer": lambda: saved("WEBP") + SCRIPT,
    "WebP animated": lambda: animated("WEBP"),
    "AVIF EXIF": lambda: saved("AVIF", exif=exif(), xmp=SCRIPT),
    "AVIF trailer": lambda: saved("AVIF") + box(b"free", SCRIPT),
    "HEIC EXIF": lambda: saved("HEIF", exif=exif(), xmp=SCRIPT),
    "HEIC profile": lambda: saved("HEIF", icc_profile=SCRIPT),
    "HEIC trailer": lambda: saved("HEIF") + box(b"free", SCRIPT),
}


def parts_of(data: bytes, format: Format) -> set[bytes | int]:
    """Return the parts of a rendition, and assert that they cover all its bytes."""
    if format == "png":
        parts = list(png_chunks(data))
        assert len(data) == 8 + sum(12 + len(content) for _, content in parts)
        return {name for name, _ in parts}
    return webp_parts(data) if format == "webp" else jpeg_parts(data)


def webp_parts(data: bytes) -> set[bytes | int]:
    assert (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
    assert len(data) == 8 + int.from_bytes(data[4:8], "little")
    names: set[bytes | int] = set()
    position = 12
    while position < len(data):
        name, length = unpack_from("<4sI", data, position)
        names.add(name)
        position += 8 + length + length % 2
    return names


def jpeg_parts(data: bytes) -> set[bytes | int]:
    """Return the markers. In the pixels after the marker of a scan, a zero follows each 0xFF."""
    assert data.startswith(b"\xff\xd8")
    assert data.find(b"\xff\xd9") == len(data) - 2
    markers: set[bytes | int] = set()
    position = 2
    while position < len(data) - 2:
        assert data[position] == 0xFF
        markers.add(data[position + 1])
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
        while data[position] != 0xFF or data[position + 1] == 0:
            position += 1
    return markers


@pytest.mark.parametrize("kind", POLYGLOTS)
def test_renditions_contain_no_bytes_besides_pixels(kind: str) -> None:
    data = POLYGLOTS[kind]()
    source = decode(data, presets=PRESETS, limits=LIMITS)
    for preset in PRESETS:
        for format in FORMATS:
            output = source.render(Recipe(preset, format)).data
            assert [mark for mark in MARKS if mark in output] == [], (preset.name, format)
            if format != "avif":
                assert parts_of(output, format) <= NEEDED[format], (preset.name, format)
            picture = opened(output)
            assert not {"exif", "xmp", "icc_profile", "comment"} & {
                name for name, value in picture.info.items() if value
            }


@pytest.mark.parametrize("kind", ["GIF animated", "WebP animated", "APNG"])
def test_animation_keeps_its_frames_without_its_text(kind: str) -> None:
    source = decode(POLYGLOTS[kind](), presets=PRESETS, limits=LIMITS)
    assert source.render(Recipe(PRESETS[1], "webp")).frames == 3


@pytest.mark.parametrize("kind", POLYGLOTS)
def test_polyglots_contain_the_script(kind: str) -> None:
    data = POLYGLOTS[kind]()
    hidden = kind in {"PNG zTXt", "PNG profile"}
    assert (compress(SCRIPT) if hidden else SCRIPT) in data


@pytest.mark.django_db
@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_polyglot_is_served_only_as_an_image(
    visibility: str, client: Client, owner: User, make_file: MakeFile
) -> None:
    file = make_file(POLYGLOTS["PNG trailer"](), name="page.html")
    upload = services.receive_upload(owner=owner, file=file, visibility=visibility).upload
    client.force_login(owner)
    placeholder = client.get(f"/i/{upload.pk}/small")
    completion.run_here(upload)
    paths = [links.rendition_path(upload, row) for row in upload.original.renditions.all()]
    pictures = [client.get(path) for path in (f"/i/{upload.pk}/small", *paths)]
    original = client.head(f"/uploads/{upload.pk}/original")
    for response in (placeholder, *pictures, original):
        assert response.headers["Content-Type"] in {"image/png", "image/webp", "image/jpeg"}
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(pictures) > 5
    assert original.headers["Content-Type"] == "image/png"
    assert original.headers["Content-Disposition"] == 'attachment; filename="page.html"'
    assert original.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    client.logout()
    assert client.head(f"/uploads/{upload.pk}/original").status_code == 404
