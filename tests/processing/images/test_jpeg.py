"""The kinds of JPEG, by their frame header."""

from io import BytesIO
from pathlib import Path

import pytest

from processing.images.reading.header import read_header
from processing.images.reading.jpeg import segments, unsupported_coding
from processing.images.reading.refusals import UnsupportedFormat
from processing.images.source import decode
from tests.processing.parts import jpeg, saved, segment
from tests.processing.pictures import LIMITS, SMALL

LOSSLESS, LS = "a lossless JPEG image", "a JPEG-LS image"
DEEP, HIERARCHICAL = "a 12-bit JPEG image", "a hierarchical JPEG image"
KINDS = [
    *((marker, 8, LOSSLESS) for marker in (0xC3, 0xC7, 0xCB, 0xCF)),
    *((marker, 8, HIERARCHICAL) for marker in (0xC5, 0xC6, 0xCD, 0xCE, 0xDE)),
    *((marker, 12, DEEP) for marker in (0xC1, 0xC2, 0xC9, 0xCA)),
    (0xC3, 16, LOSSLESS),
    (0xF7, 8, LS),
    (0xF7, 12, LS),
]


def with_frame(marker: int, precision: int, *, before: bytes = b"") -> bytes:
    """Return a JPEG whose frame header has this marker and precision."""
    data = jpeg(before)
    at = data.rindex(b"\xff\xc0\0\x11\x08")
    return data[:at] + bytes([0xFF, marker, 0, 0x11, precision]) + data[at + 5 :]


@pytest.mark.parametrize(("marker", "precision", "kind"), KINDS)
def test_unsupported_kind_is_refused_by_its_name(marker: int, precision: int, kind: str) -> None:
    # The frame header is beyond the first bytes, as after a camera's EXIF. A comment contains another.
    before = segment(0xE1, bytes(60_000)) + segment(0xFE, b"\xff\xc0\0\x11\x08") + b"\0\0\xff"
    data = with_frame(marker, precision, before=before)
    with pytest.raises(UnsupportedFormat) as refusal:
        read_header(BytesIO(data), name="sea.jpg", limits=LIMITS)
    assert str(refusal.value) == f"sea.jpg is {kind}. Upload JPEG, PNG, GIF, WebP, AVIF or HEIC."
    assert (refusal.value.code, refusal.value.status) == ("unsupported_format", 415)
    with pytest.raises(UnsupportedFormat):
        decode(data, presets=[SMALL], limits=LIMITS)


def test_real_file_of_an_unsupported_kind_is_not_called_damaged(corpus: Path) -> None:
    with (
        (corpus / "edges" / "gradient_ls.jpg").open("rb") as file,
        pytest.raises(UnsupportedFormat) as refusal,
    ):
        read_header(file, name="gradient_ls.jpg", limits=LIMITS)
    assert str(refusal.value).startswith("gradient_ls.jpg is a lossless JPEG image. ")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(99)}])
def test_usual_kinds_are_accepted(options: dict[str, object]) -> None:
    assert unsupported_coding(BytesIO(saved("JPEG", **options))) is None


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 20, 25])
def test_truncated_header_has_no_kind(length: int) -> None:
    assert unsupported_coding(BytesIO(saved("JPEG")[:length])) is None


def test_segments_end_with_the_first_scan() -> None:
    data = jpeg(b"junk\xff\xff" + segment(0xFE, b"sea")[1:])
    found = list(segments(BytesIO(data)))
    assert found[0].marker == 0xFE
    assert data[found[0].position : found[0].position + found[0].size] == b"sea"
    assert [one.marker for one in found].count(0xDA) == 1
    assert found[-1].marker == 0xDA
