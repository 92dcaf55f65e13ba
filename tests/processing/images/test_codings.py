"""Which decoder an AVIF or HEIF gets, and how files without a decoder are called."""

from io import BytesIO

import pytest
from PIL import Image

from processing.images.reading.base_media.codings import coding_of, formats_of_brands
from processing.images.reading.header import read_header
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import UnreadableImage, UnsupportedFormat
from tests.processing.parts import box, items, media, saved, track
from tests.processing.pictures import LIMITS, mean_color, rendered

GREEN = pytest.approx([0, 128, 0], abs=2)
HEIC = b"heicmif1heic"

KINDS = [
    ("a HEIF image coded as JPEG", media(b"jpegmif1jpeg", items(b"jpeg"))),
    ("a HEIF image coded as JPEG", media(HEIC, items(b"hvc1", b"jpeg", primary=2))),
    ("a HEIF image coded as JPEG", media(b"mif1mif1", items(b"grid", b"jpeg", b"hvc1", sources=(2,)))),
    ("a HEIF image coded as JPEG 2000", media(b"j2kimif1j2ki", items(b"j2k1"))),
    ("a HEIF image coded as H.264", media(b"avcimif1avci", items(b"avc1"))),
    ("a HEIF image coded as H.266 (VVC)", media(b"vvicmif1vvic", items(b"vvc1"))),
    ("an uncompressed HEIF image", media(b"mif1mif1miaf", items(b"unci"))),
    ("an uncompressed HEIF image", media(b"mif2mif2", items(b"unci"))),
    ("a low-overhead image file (mif3)", media(b"mif3avif", box(b"mini", bytes(9)))),
    ("a low-overhead image file (mif3)", media(b"mif3heic", box(b"mini", bytes(9)))),
    ("a HEIF image sequence", media(b"hevchevcmsf1", track(b"hvc1"))),
    ("a HEIF image sequence", media(b"hevxhevxmsf1", track(b"hvc1"))),
    ("a HEIF image sequence", media(b"msf1msf1isom", track(b"uncv"))),
    ("an AVIF or HEIF image of a rare kind", media(HEIC, items(b"lhv2"))),
    ("an AVIF or HEIF image of a rare kind", media(b"avifmif1", items(b"iovl", b"av01", sources=(2,)))),
    ("an AVIF or HEIF image of a rare kind", media(b"avifmif1", items(b"iden", sources=(1,)))),
    ("a JPEG XL image", b"\xff\x0a\xfa\x1f" + bytes(20)),
    ("a JPEG XL image", b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")),
]


@pytest.mark.parametrize(("kind", "data"), KINDS, ids=[f"{n} {kind}" for n, (kind, _) in enumerate(KINDS)])
def test_file_without_a_decoder_is_called_by_its_kind(kind: str, data: bytes) -> None:
    with pytest.raises(UnsupportedFormat) as refusal:
        read_header(BytesIO(data), name="sea.heic", limits=LIMITS)
    assert str(refusal.value) == f"sea.heic is {kind}. Upload JPEG, PNG, GIF, WebP, AVIF or HEIC."
    assert (refusal.value.code, refusal.value.status) == ("unsupported_format", 415)


@pytest.mark.parametrize(
    ("coding", "boxes"),
    [
        (b"hvc1", [items(b"hvc1")]),
        (b"av01", [items(b"grid", b"av01", sources=(2, 2))]),
        (b"hvc1", [items(b"iovl", b"grid", b"hvc1", sources=(3, 2))]),
        (b"hev1", [items(b"iden", b"hev1", sources=(2,))]),
        (b"av01", [track(b"av01")]),
        (b"hvc1", [items(b"hvc1"), track(b"hvc1")]),
        (b"", []),
        (b"", [box(b"meta", bytes(4))]),
        (b"", [items(b"hvc1", primary=7)]),
        (b"", [box(b"meta", bytes(4) + box(b"pitm") + box(b"iinf"))]),
    ],
    ids=repr,
)
def test_coding_is_that_of_the_primary_item(coding: bytes, boxes: list[bytes]) -> None:
    assert coding_of(media(HEIC, *boxes)) == coding


@pytest.mark.parametrize("boxes", [[], [items(b"hvc1")], [box(b"meta", bytes(4))]], ids=len)
def test_file_without_its_picture_is_damaged(boxes: list[bytes]) -> None:
    with pytest.raises(UnreadableImage):
        read_header(BytesIO(media(HEIC, *boxes)), name="sea", limits=LIMITS)


@pytest.mark.parametrize(
    ("brands", "formats"),
    [
        (b"avifmif1", ("AVIF",)),
        (b"mif2avis", ("AVIF",)),
        (b"heicmif1", ("HEIF",)),
        (b"isomheix", ("HEIF",)),
        (b"mif1miaf", ("AVIF", "HEIF")),
        (b"mif2", ("AVIF", "HEIF")),
        (b"mif3", ("AVIF", "HEIF")),
        (b"vvic", ("AVIF", "HEIF")),
        (b"isommp41", ()),
        (b"crx isom", ()),
    ],
)
def test_brands_name_the_possible_formats(brands: bytes, formats: tuple[str, ...]) -> None:
    assert formats_of_brands(media(brands)) == formats


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
@pytest.mark.parametrize(
    "brands",
    [
        b"mif1mif1miaf",
        b"mif2mif2",
        b"mif2mif2%s",
        b"mif3%s",
        b"miafmif1%s",
        b"isomisom%s",
        b"unif%smp42",
        b"msf1msf1%s",
        b"jpegmif1",
        b"%s%s",
    ],
)
def test_picture_is_rendered_with_any_brands(format: str, brands: bytes) -> None:
    data = saved(format)
    own = b"avif" if format == "AVIF" else b"heic"
    names = brands.replace(b"%s", own)
    size = int.from_bytes(data[:4])
    # As many bytes as before, because positions in the file are absolute.
    other = media((names + names[-4:] * 9)[: size - 12]) + data[size:]
    assert len(other) == len(data)
    header = read_header(BytesIO(other), name="sea", limits=LIMITS)
    assert (header.format, header.width) == (format.lower(), 64)
    assert mean_color(rendered(other)) == GREEN


@pytest.mark.parametrize(("format", "others"), [("AVIF", ("HEIF",)), ("HEIF", ("AVIF", "PNG"))])
def test_decoder_must_be_accepted(format: str, others: tuple[str, ...]) -> None:
    """A file of a brand that both formats share is in a format that is not accepted."""
    data = saved(format)
    shared = data[:8] + b"mif1" + bytes(4) + b"mif1" * (int.from_bytes(data[:4]) // 4 - 4)
    limits = Limits(pixels=10**6, animation_pixels=10**6, formats=others)
    with pytest.raises(UnsupportedFormat, match="is not a supported image"):
        read_header(BytesIO(shared + data[len(shared) :]), name="sea", limits=limits)


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_truncated_boxes_are_no_error(format: str) -> None:
    data = saved(format)
    for end in range(0, len(data), 3):
        assert coding_of(data[:end]) in {b"", b"av01", b"hvc1"}


def test_feature_that_the_decoder_lacks_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """libheif reports it when the pixels are decoded."""

    def load(image: Image.Image) -> None:
        raise SyntaxError("Unsupported feature: Unsupported codec")

    with Image.open(BytesIO(saved("HEIF"))) as image:
        monkeypatch.setattr(type(image), "load", load)
    with pytest.raises(UnsupportedFormat, match="is an AVIF or HEIF image of a rare kind"):
        rendered(saved("HEIF"))
