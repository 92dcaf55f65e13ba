"""Detecting the type of a file by its first bytes."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from processing.images.reading.header import read_header
from processing.images.reading.refusals import UnsupportedFormat
from processing.images.reading.signatures import BEGINNING, formats_of, kind_of
from tests.conftest import MakeImage
from tests.processing.pictures import LIMITS

Accept = Callable[[bytes], bool | str]
MUCH = 1 << 20
TAKEN = ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF"]
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
DOCTYPE = b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x.dtd' [\n<!ENTITY ns 'http://x/'>\n]>\n"


def saved(format: str) -> bytes:
    output = BytesIO()
    Image.new("RGB", (16, 16)).save(output, format)
    return output.getvalue()


def archive(*names: str, content: str = "") -> bytes:
    output = BytesIO()
    with zipfile.ZipFile(output, "w") as file:
        for name in names:
            file.writestr(name, content)
    return output.getvalue()


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


KINDS = [
    ("a Photoshop file", b"8BPS\0\1" + bytes(20)),
    ("a GIMP file", b"gimp xcf v011\0"),
    ("a PDF document", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"),
    ("a PostScript file", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    ("a PostScript file", b"\xc5\xd0\xd3\xc6" + bytes(28)),
    ("a camera raw file", b"II*\0\x10\0\0\0CR\2\0" + bytes(20)),
    ("a camera raw file", box(b"ftyp", b"crx \0\0\0\1crx isom")),
    ("a camera raw file", b"FUJIFILMCCD-RAW 0201"),
    ("a camera raw file", b"IIU\0\x18\0\0\0"),
    ("a camera raw file", b"IIRO\x08\0\0\0"),
    ("a TIFF image", saved("TIFF")),
    ("a TIFF image", b"MM\0+\0\x08\0\0"),
    ("a BMP image", saved("BMP")),
    ("an icon", saved("ICO")),
    ("an icon", saved("ICNS")),
    ("a JPEG XL image", b"\xff\x0a\xfa\x1f"),
    ("a JPEG XL image", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("a JPEG 2000 image", saved("JPEG2000")),
    ("a JPEG 2000 image", b"\xff\x4f\xff\x51\0\x2f"),
    ("a PCX image", saved("PCX")),
    ("a DDS texture", saved("DDS")),
    ("a video", box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")),
    ("a video", box(b"ftyp", b"qt  \0\0\2\0qt  ")),
    ("a video", box(b"wide") + box(b"mdat")),
    ("a video", b"\x1aE\xdf\xa3\x9fB\x86\x81\1"),
    ("a video", b"RIFF\x24\0\0\0AVI LIST"),
    ("an audio file", b"RIFF\x24\0\0\0WAVEfmt "),
    ("an audio file", b"ID3\4\0\0"),
    ("an audio file", box(b"ftyp", b"M4A \0\0\0\0M4A mp42")),
    ("an office document", archive("[Content_Types].xml")),
    ("an office document", archive("mimetype", content="application/vnd.oasis.opendocument.text")),
    ("an office document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("an archive", archive("holiday.jpg")),
    ("an archive", b"\x1f\x8b\x08\0"),
    ("an SVG drawing", SVG),
    (
        "an SVG drawing",
        b"\xef\xbb\xbf<?xml?>\n<!-- drawn -->\n" + DOCTYPE + b"<!-- a -->" + SVG,
    ),
    ("a web page", b"\n<!-- saved --><!DOCTYPE html><title>x</title>"),
    ("a web page", b"<HTML><body>"),
    ("a text file", b"Dear Ada,\r\n\tthe BM is here.\n"),
    ("a text file", b"BM wrote a letter, and it is long enough."),
    ("a text file", ("ü" * BEGINNING).encode()[: BEGINNING - 1]),
    ("a text file", "Ada".encode("utf-16")),
    ("a text file", b"<?xml version='1.0'?><note>svg</note>"),
    (None, bytes(100)),
    (None, b"\x89PNG\n\n\n\n"),
    (None, b"RIFF\x24\0\0\0WEBQ"),
    (None, "naïve".encode("latin-1")),
]


@pytest.mark.parametrize(("kind", "data"), KINDS, ids=map(str, range(len(KINDS))))
def test_refusal_names_the_actual_file_type(kind: str | None, data: bytes) -> None:
    assert kind_of(data) == kind
    assert not set(formats_of(data)) & set(TAKEN)
    called = kind or "not a supported image"
    with pytest.raises(UnsupportedFormat) as refusal:
        read_header(BytesIO(data), name="holiday.jpg", limits=LIMITS)
    assert str(refusal.value) == f"holiday.jpg is {called}. Upload JPEG, PNG, GIF, WebP, AVIF or HEIC."


def test_refusal_of_an_empty_file_says_so() -> None:
    with pytest.raises(UnsupportedFormat, match=r"^sea\.jpg is empty\. Choose another file\.$"):
        read_header(BytesIO(), name="sea.jpg", limits=LIMITS)


@pytest.mark.parametrize("format", TAKEN)
def test_format_is_detected_from_the_bytes_by_one_decoder(
    format: str, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, asked = make_image(format=format), set[str]()

    def watched(name: str, accept: Accept | None) -> Accept:
        def accepts(prefix: bytes) -> bool | str:
            asked.add(name)
            return accept is None or accept(prefix)

        return accepts

    Image.init()
    for name, (factory, accept) in list(Image.OPEN.items()):
        monkeypatch.setitem(Image.OPEN, name, (factory, watched(name, accept)))
    header = read_header(BytesIO(data), name="letter.txt", limits=LIMITS)
    assert header.format == format.lower()
    assert formats_of(data) == tuple(asked) == (format,)


def test_corpus_pictures_are_recognised_by_their_bytes(corpus: Path) -> None:
    pictures = [path for path in corpus.glob("heic/*") if path.stat().st_size]
    assert len(pictures) >= 7
    assert [path.name for path in pictures if not formats_of(path.read_bytes()[:BEGINNING])] == []


@pytest.mark.parametrize(
    "data", [b"<!---->", b"<??>", b"<!-- ", b" ", b"<!DOCTYPE svg [", b"<!DOCTYPE svg [] "], ids=repr
)
def test_recognition_of_text_is_linear(data: bytes) -> None:
    """Search a megabyte. A search that backtracks at each byte would take hours."""
    assert kind_of((data * MUCH)[:MUCH]) == "a text file"
