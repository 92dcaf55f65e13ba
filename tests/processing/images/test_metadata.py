"""The metadata of files, both valid and hostile."""

from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms, ImageFile, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from processing.errors import Refusal
from processing.images.reading.formats import opened
from processing.images.reading.metadata import Metadata, read_metadata
from processing.images.source import decode
from tests.conftest import MakeImage
from tests.processing.pictures import LIMITS, SMALL, corpus_files

NOTHING = Metadata(camera="", profile="", frames=1, gps=False, taken_at=None)
FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"]
POSITION = {1: "N", 2: (47.0, 22.0, 0.0), 3: "E", 4: (8.0, 32.0, 0.0)}


def told_by(data: bytes) -> Metadata:
    return decode(data, presets=[SMALL], limits=LIMITS).metadata


def exif(
    *, gps: dict[int, Any] | None = None, taken_at: str = "", offset: str = "", **tags: object
) -> Image.Exif:
    """Return EXIF data with these tags in its first directory."""
    made = Image.Exif()
    for name, value in tags.items():
        made[ExifTags.Base[name]] = value
    if gps is not None:
        made.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    if taken_at:
        made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken_at
    if offset:
        made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = offset
    return made


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "photos/Apple_iPhone_6.jpg",
            Metadata(camera="Apple iPhone 6", profile="", frames=1, gps=True, taken_at="2014-09-16T14:05:12"),
        ),
        (
            # Its GPS directory has a version, but no position.
            "photos/Nikon_D90.jpg",
            Metadata(camera="NIKON D90", profile="", frames=1, gps=False, taken_at="2011-04-25T01:55:30"),
        ),
        (
            "heic/pug.heic",
            Metadata(
                camera="Apple iPhone 13 Pro",
                profile="Display P3",
                frames=1,
                gps=True,
                taken_at="2023-02-21T14:33:08+03:00",
            ),
        ),
        (
            "colour/paris_icc_exif_xmp.avif",
            Metadata(
                camera="Google Pixel 4a",
                profile="sRGB IEC61966-2.1",
                frames=1,
                gps=True,
                taken_at="2022-08-22T20:30:46+02:00",
            ),
        ),
        (
            # Its EXIF is a compressed text of hexadecimal digits, behind the pixels.
            "edges/paris_icc_exif_xmp.png",
            Metadata(
                camera="Google Pixel 4a",
                profile="sRGB IEC61966-2.1",
                frames=1,
                gps=True,
                taken_at="2022-08-22T20:30:46+02:00",
            ),
        ),
        ("colour/p3.png", Metadata(camera="", profile="Display P3", frames=1, gps=False, taken_at=None)),
        ("animation/animated_loop.gif", Metadata(camera="", profile="", frames=4, gps=False, taken_at=None)),
    ],
)
def test_metadata_of_real_files_is_read(file: str, expected: Metadata, corpus: Path) -> None:
    assert told_by((corpus / file).read_bytes()) == expected


def test_empty_or_broken_position_is_ignored(corpus: Path) -> None:
    for name in ("empty_gps_ifd.jpg", "exif_gps_typeerror.jpg"):
        assert not told_by((corpus / "metadata" / name).read_bytes()).gps, name


@pytest.mark.parametrize("format", FORMATS)
def test_metadata_of_every_format_is_read(format: str, make_image: MakeImage) -> None:
    tags = exif(Make="Canon", Model="Canon EOS 5D", gps=POSITION, taken_at="2020:02:29 23:59:59")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = make_image(format=format, exif=tags.tobytes(), icc_profile=profile)
    assert told_by(data) == Metadata(
        camera="Canon EOS 5D", profile="sRGB built-in", frames=1, gps=True, taken_at="2020-02-29T23:59:59"
    )


@pytest.mark.parametrize("format", FORMATS)
def test_file_without_metadata_has_none(format: str, make_image: MakeImage) -> None:
    assert told_by(make_image(format=format)) == NOTHING


# --- The position -------------------------------------------------------------------------

LATITUDE, LONGITUDE = (47.0, 22.0, 0.0), (8.0, 32.0, 0.0)
UNKNOWN = IFDRational(0, 0)


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        (POSITION, True),
        ({2: LATITUDE, 4: LONGITUDE}, True),
        ({2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)}, True),
        ({2: (90.0, 0.0, 0.0), 4: (180.0, 0.0, 0.0)}, True),
        ({2: 47.5, 4: 8.5}, True),
        ({}, False),
        ({0: b"\2\3\0\0"}, False),
        ({1: "N", 3: "E", 29: "2020:02:29"}, False),
        ({2: LATITUDE}, False),
        ({4: LONGITUDE}, False),
        ({2: LATITUDE, 4: (UNKNOWN, UNKNOWN, UNKNOWN)}, False),
        ({2: (91.0, 0.0, 0.0), 4: LONGITUDE}, False),
        ({2: LATITUDE, 4: (180.0, 30.0, 0.0)}, False),
        ({2: (47.0, 22.0, 0.0, 0.0), 4: LONGITUDE}, False),
    ],
    ids=str,
)
def test_position_needs_two_valid_coordinates(
    gps: dict[int, Any], expected: bool, make_image: MakeImage
) -> None:
    assert told_by(make_image(exif=exif(Make="Canon", gps=gps).tobytes())).gps is expected


ATTRIBUTES = '<a exif:GPSLatitude="{}" exif:GPSLongitude="{}"/>'
ELEMENTS = "<exif:GPSLatitude>{}</exif:GPSLatitude>\n<exif:GPSLongitude>{}</exif:GPSLongitude>"


@pytest.mark.parametrize("form", [ATTRIBUTES, ATTRIBUTES.replace('"', "'"), ELEMENTS])
@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        ("47,22N", "8,32E", True),
        ("47,22.516N", "8,32.25W", True),
        ("47,22,31S", "8,32,15E", True),
        ("-47.375", "8.5", True),
        ("90,0N", "180,0E", True),
        ("", "8,32E", False),
        ("47,22N", "", False),
        ("91,0N", "8,32E", False),
        ("47,22N", "181,0E", False),
        ("north", "east", False),
    ],
)
def test_position_is_found_in_xmp(
    form: str, latitude: str, longitude: str, expected: bool, make_image: MakeImage
) -> None:
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{form.format(latitude, longitude)}</x:xmpmeta>"
    assert told_by(make_image(xmp=xmp.encode())).gps is expected


def test_one_coordinate_in_xmp_is_no_position(make_image: MakeImage) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a exif:GPSLatitude="47,22N"/></x:xmpmeta>'
    assert not told_by(make_image(xmp=xmp)).gps


# --- EXIF and XMP in the texts of a PNG ---------------------------------------------------


def raw_profile(name: str, data: bytes) -> str:
    """Return the text that ImageMagick writes for a profile."""
    digits = data.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    return f"\n{name}\n{len(data):8}\n{lines}\n"


def png_with_text(key: str, text: str, *, kind: str = "zTXt", behind: bool = False) -> bytes:
    """Return a PNG with a text before or behind its pixels."""
    info = PngImagePlugin.PngInfo()
    if kind == "iTXt":
        info.add_itxt(key, text, zip=True)
    else:
        info.add_text(key, text, zip=kind == "zTXt")
    output = BytesIO()
    Image.new("RGB", (4, 4)).save(output, "PNG", pnginfo=info)
    data = output.getvalue()
    if not behind:
        return data
    start = data.index(kind.encode()) - 4
    end = start + 12 + int.from_bytes(data[start : start + 4])
    return data[:start] + data[end:-12] + data[start:end] + data[-12:]


TAGS = exif(
    Make="Canon", Model="Canon EOS 5D", gps=POSITION, taken_at="2020:02:29 23:59:59", offset="-03:30"
).tobytes()
FOUND = Metadata(camera="Canon EOS 5D", profile="", frames=1, gps=True, taken_at="2020-02-29T23:59:59-03:30")
IN_XMP = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{ATTRIBUTES.format('47,22N', '8,32E')}</x:xmpmeta>"


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
@pytest.mark.parametrize(
    ("key", "name", "data"),
    [
        ("Raw profile type exif", "exif", TAGS),
        ("Raw profile type exif", "EXIF", TAGS.removeprefix(b"Exif\0\0")),
        ("Raw profile type APP1", "generic profile", TAGS),
    ],
)
def test_exif_in_a_text_of_a_png_is_read(key: str, name: str, data: bytes, kind: str, behind: bool) -> None:
    assert told_by(png_with_text(key, raw_profile(name, data), kind=kind, behind=behind)) == FOUND


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("XML:com.adobe.xmp", IN_XMP),
        ("Raw profile type xmp", raw_profile("xmp", IN_XMP.encode())),
        ("Raw profile type APP1", raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + IN_XMP.encode())),
    ],
)
def test_position_in_xmp_in_a_text_of_a_png_is_found(key: str, text: str) -> None:
    assert told_by(png_with_text(key, text)).gps


def test_damaged_texts_are_ignored() -> None:
    text = raw_profile("exif", TAGS)
    damaged = ["", "\n\n\n", text.replace("\n", " "), text[:60], text[:-40], text.replace("4", "x"), "0" * 99]
    for one in damaged:
        found = told_by(png_with_text("Raw profile type exif", one))
        assert not found.gps or found == FOUND, one
    assert told_by(png_with_text("Raw profile type exif", text + "\n$junk")) == FOUND
    endless = "\nexif\n 9\n" + "00 " * (1 << 21)
    assert told_by(png_with_text("Raw profile type exif", endless, kind="tEXt")) == NOTHING


def test_exif_chunk_of_a_png_precedes_its_texts() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", raw_profile("exif", TAGS), zip=True)
    output = BytesIO()
    Image.new("RGB", (4, 4)).save(output, "PNG", pnginfo=info, exif=exif(Make="Leica"))
    assert told_by(output.getvalue()) == replace(NOTHING, camera="Leica")


# --- The camera ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Apple", "iPhone 6", "Apple iPhone 6"),
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("Nintendo", "", "Nintendo"),
        ("", "X100", "X100"),
        ("A" * 10_000, "B" * 10_000, "A" * 100),
        ("Ap\0ple\x1b[31m", "iPhone\n\t 6\x07", "Apple[31m iPhone 6"),
        ("\udcff\u202eelppA", "\x00\x00", "elppA"),
        (b"\xff\xfe\0", 7, ""),
    ],
)
def test_camera_is_a_short_text(
    make: object, model: object, camera: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert camera_of({ExifTags.Base.Make: make, ExifTags.Base.Model: model}, monkeypatch) == camera


def camera_of(tags: dict[int, object], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the camera of a picture whose parser returns these tags."""
    with opened(png(), limits=LIMITS) as image:
        made = Image.Exif()
        made.update(tags)
        image.info["exif"] = b""
        monkeypatch.setattr(image, "getexif", lambda: made)
        return read_metadata(image, frames=1).camera


def png() -> bytes:
    output = BytesIO()
    Image.new("RGB", (4, 4)).save(output, "PNG")
    return output.getvalue()


@pytest.mark.parametrize(
    "taken_at", ["0000:00:00 00:00:00", "yesterday", "2020:13:01 00:00:00", "    :  :     :  :  "]
)
def test_invalid_capture_time_is_ignored(taken_at: str, make_image: MakeImage) -> None:
    assert told_by(make_image(exif=exif(taken_at=taken_at).tobytes())).taken_at is None


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("+02:00", "+02:00"),
        ("-09:30", "-09:30"),
        ("+14:00", "+14:00"),
        ("Z", "+00:00"),
        ("+00:00", "+00:00"),
        ("", ""),
        ("   :  ", ""),
        ("+2", ""),
        ("+15:00", ""),
        ("+02:60", ""),
        ("\u0660\u0662:00", ""),
        ("+02:00 or so", ""),
    ],
)
def test_capture_time_has_the_offset_of_the_file(offset: str, expected: str, make_image: MakeImage) -> None:
    tags = exif(taken_at="2020:02:29 23:59:59", offset=offset)
    assert told_by(make_image(exif=tags.tobytes())).taken_at == f"2020-02-29T23:59:59{expected}"


def test_gps_time_is_no_capture_time(make_image: MakeImage) -> None:
    gps = {**POSITION, 7: (21.0, 59.0, 59.0), 29: "2020:02:29"}
    tags = exif(taken_at="2020:02:29 23:59:59", gps=gps)
    assert told_by(make_image(exif=tags.tobytes())).taken_at == "2020-02-29T23:59:59"


def test_invalid_profile_and_exif_are_ignored(make_image: MakeImage) -> None:
    assert (
        told_by(make_image(icc_profile=b"no profile" * 99, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")) == NOTHING
    )


@pytest.mark.parametrize("error", [RecursionError, MemoryError, SystemError, KeyError, UnicodeDecodeError])
def test_exception_of_a_parser_means_no_metadata(
    error: type[Exception], make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise error(*(("utf-8", b"", 0, 1, "") if error is UnicodeDecodeError else ()))

    with opened(make_image(), limits=LIMITS) as image:
        monkeypatch.setattr(Image.Image, "getexif", fail)
        monkeypatch.setattr(ImageCms, "ImageCmsProfile", fail)
        image.info["icc_profile"] = b"profile"
        assert read_metadata(image, frames=1) == NOTHING


def test_text_chunks_are_not_read_as_profile_or_xmp() -> None:
    with opened(png(), limits=LIMITS) as image:
        image.info.update({"icc_profile": "words", "xmp": "GPSLatitude", "exif": "words"})
        assert read_metadata(image, frames=1) == NOTHING


@pytest.mark.parametrize(("folder", "expect"), [("metadata", "accept"), ("hostile", "bounded")])
def test_metadata_is_read_without_decoding(
    folder: str, expect: str, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []

    def note(image: object) -> None:
        decoded.append(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", note)
    told: list[Metadata] = []
    for path in corpus_files(corpus, folder=folder, expect=expect):
        with suppress(Refusal), opened(path.read_bytes(), limits=LIMITS) as image:
            told.append(read_metadata(image, frames=1))
    assert told
    assert decoded == []
    assert max(len(text) for one in told for text in (one.camera, one.profile)) <= 100
