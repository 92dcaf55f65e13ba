"""The metadata of files, both valid and hostile."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms, ImageFile

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


def exif(*, gps: dict[int, Any] | None = None, taken_at: str = "", **tags: object) -> Image.Exif:
    """Return EXIF data with these tags in its first directory."""
    made = Image.Exif()
    for name, value in tags.items():
        made[ExifTags.Base[name]] = value
    if gps:
        made.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    if taken_at:
        made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken_at
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
                taken_at="2023-02-21T14:33:08",
            ),
        ),
        (
            "colour/paris_icc_exif_xmp.avif",
            Metadata(
                camera="Google Pixel 4a",
                profile="sRGB IEC61966-2.1",
                frames=1,
                gps=True,
                taken_at="2022-08-22T20:30:46",
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


def test_position_is_found_in_xmp(make_image: MakeImage) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a exif:GPSLatitude="47,22N"/></x:xmpmeta>'
    assert told_by(make_image(xmp=xmp)).gps
    assert not told_by(make_image(xmp=xmp.replace(b"GPSLatitude", b"Latitude"))).gps


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
