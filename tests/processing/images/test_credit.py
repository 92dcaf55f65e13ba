"""Renditions keep the credit of their original if the site wants it, and nothing else of its metadata."""

from dataclasses import replace
from io import BytesIO
from struct import pack
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from processing.images.encoding.credit import NO_CREDIT, Credit
from processing.images.packing import packed, unpacked
from processing.images.reading.formats import opened
from processing.images.source import decode
from processing.presets import FORMATS, Format, Preset, Recipe
from tests.conftest import MakeImage
from tests.processing.images.test_graphics import animation, pixel_art
from tests.processing.images.test_metadata import png_with_text, raw_profile
from tests.processing.pictures import LIMITS, SMALL, corpus_files

KEEPING = replace(SMALL, keep_credit=True, formats=FORMATS)
INPUTS = ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"]
# No rendition may contain any of these words.
SECRETS = [b"SECRET", b"GPS", b"Canon", b"2020:02:29", b"Serial", b"History", b"licensor@", b"JFXX", b"tEXt"]

HEAD = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="SECRET"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="SECRET"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 exif:GPSLatitude="47,22N" exif:GPSLongitude="8,32E" photoshop:City="SECRET" """
TAIL = "</rdf:Description></rdf:RDF></x:xmpmeta>"
LICENSOR = """<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource">
 <plus:LicensorName>Agency</plus:LicensorName><plus:LicensorURL>https://agency.example/buy</plus:LicensorURL>
 <plus:LicensorEmail>licensor@agency.example</plus:LicensorEmail></rdf:li></rdf:Seq></plus:Licensor>"""
FULL = f"""{HEAD} photoshop:Credit="Ada &amp; Co" xmpRights:WebStatement="https://ada.example/?a=1&amp;b=2">
 <dc:creator><rdf:Seq><rdf:li>Ada &lt;b&gt;</rdf:li><rdf:li>Bob</rdf:li></rdf:Seq></dc:creator>
 <dc:rights><rdf:Alt><rdf:li xml:lang="de">Rechte</rdf:li><rdf:li xml:lang="x-default">Rights</rdf:li>
 </rdf:Alt></dc:rights><dc:description>SECRET</dc:description>{LICENSOR}
 <xmpMM:History><rdf:Seq><rdf:li><rdf:Description><dc:creator>SECRET</dc:creator></rdf:Description></rdf:li>
 </rdf:Seq></xmpMM:History>{TAIL}"""
NESTED = '<rdf:li><rdf:Description plus:LicensorURL="https://a.example"/></rdf:li>'
NAME = "<rdf:li>Ada</rdf:li>"
OF_XMP = Credit(
    creators=("Ada <b>", "Bob"),
    rights="Rights",
    credit="Ada & Co",
    web_statement="https://ada.example/?a=1&b=2",
    licensors=(("Agency", "https://agency.example/buy"),),
)


def exif(artist: bytes = b"", copyright: bytes = b"") -> bytes:
    """Return EXIF with these, and with everything else that a camera writes."""
    made = Image.Exif()
    for tag, value in ((ExifTags.Base.Artist, artist), (ExifTags.Base.Copyright, copyright)):
        if value:
            made[tag] = value
    made[ExifTags.Base.Make], made[ExifTags.Base.ImageDescription] = "Canon", "SECRET"
    made.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (47.0, 22.0, 0.0), 3: "E", 4: (8.0, 32.0, 0.0)})
    made.get_ifd(ExifTags.IFD.Exif).update({0xA431: "Serial 7", 0x9286: b"ASCII\0\0\0SECRET"})
    return made.tobytes()


def with_xmp(data: bytes, xmp: str) -> bytes:
    """Return a JPEG with a packet."""
    content = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    return data[:2] + b"\xff\xe1" + pack(">H", len(content) + 2) + content + data[2:]


def iim(*sets: tuple[int, bytes]) -> bytes:
    return b"".join(pack(">BBBH", 0x1C, 2, number, len(value)) + value for number, value in sets)


def resources(content: bytes) -> bytes:
    """Return Photoshop's image resources with IPTC data."""
    caption = b"8BIM\x04\x0c\0\0" + pack(">I", 6) + b"SECRET"
    return caption + b"8BIM\x04\x04\x03abc" + pack(">I", len(content)) + content + b"\0" * (len(content) % 2)


def with_iptc(data: bytes, content: bytes) -> bytes:
    """Return a JPEG with IPTC data."""
    segment = b"Photoshop 3.0\0" + resources(content)
    return data[:2] + b"\xff\xed" + pack(">H", len(segment) + 2) + segment + data[2:]


def credit_of(data: bytes) -> Credit:
    return decode(data, presets=[KEEPING], limits=LIMITS).credit


def kept(data: bytes, format: Format) -> tuple[dict[int, Any], bytes, bytes]:
    """Return the EXIF and XMP of a rendition, and the rendition."""
    output = decode(data, presets=[KEEPING], limits=LIMITS).render(Recipe(KEEPING, format)).data
    assert [secret for secret in SECRETS if secret in output] == []
    with Image.open(BytesIO(output)) as picture:
        picture.load()
        tags = picture.getexif()
        assert not any(tags.get_ifd(ifd) for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo))
        return dict(tags), picture.info.get("xmp", b""), output


# --- What is found ------------------------------------------------------------------------


@pytest.mark.parametrize("format", INPUTS)
def test_credit_of_every_format_is_found(format: str, make_image: MakeImage) -> None:
    options: dict[str, Any] = {"exif": exif(b"Ada", b"(c) Ada")}
    if format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", FULL)
    else:
        options["xmp"] = FULL.encode()
    found = credit_of(make_image(format=format, **options))
    assert found == replace(OF_XMP, artist="Ada", copyright="(c) Ada")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"Ada", "Ada"),
        ("Åda ©".encode(), "Åda ©"),
        ("Åda ©".encode("latin-1"), "Åda ©"),
        (b"Ada\0Bob", "Ada, Bob"),
        (b" \0Bob", "Bob"),
        (b"  ", ""),
        (b"A\x1b[31m\nda\t!", "A[31m da !"),
        ("\u202eadA\ufeff".encode(), "adA"),
        (b"x" * 5000, "x" * 300),
    ],
)
def test_text_of_exif_is_cleaned(written: bytes, read: str, make_image: MakeImage) -> None:
    assert credit_of(make_image(exif=exif(written, written))) == Credit(artist=read, copyright=read)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ("><dc:creator>Ada</dc:creator>", Credit(creators=("Ada",))),
        ('dc:creator="Ada">', Credit(creators=("Ada",))),
        ("><dc:creator><rdf:Bag><rdf:li>Ada</rdf:li></rdf:Bag></dc:creator>", Credit(creators=("Ada",))),
        ("><dc:rights>Rights</dc:rights>", Credit(rights="Rights")),
        ("><photoshop:Credit>\n Ada\n Co </photoshop:Credit>", Credit(credit="Ada Co")),
        (
            '><xmpRights:WebStatement rdf:resource="http://a.example/"/>',
            Credit(web_statement="http://a.example/"),
        ),
        (
            f"><plus:Licensor><rdf:Seq>{NESTED}</rdf:Seq></plus:Licensor>",
            Credit(licensors=(("", "https://a.example"),)),
        ),
        (f"><dc:creator><rdf:Seq>{NAME * 99}</rdf:Seq></dc:creator>", Credit(creators=("Ada",) * 10)),
        (">" + LICENSOR * 9, Credit(licensors=(("Agency", "https://agency.example/buy"),) * 3)),
        ('xmpRights:WebStatement="javascript:alert(1)">', NO_CREDIT),
        ('xmpRights:WebStatement=" JavaScript:alert(1)">', NO_CREDIT),
        ('xmpRights:WebStatement="data:text/html,x">', NO_CREDIT),
        ('xmpRights:WebStatement="a.example/rights">', Credit(web_statement="a.example/rights")),
        ('xmpRights:WebStatement="Rights: ask Ada">', Credit(web_statement="Rights: ask Ada")),
        (f'xmpRights:WebStatement="https://a.example/{"x" * 999}">', NO_CREDIT),
        (f'photoshop:Credit="{"x" * 999}">', Credit(credit="x" * 300)),
        (">", NO_CREDIT),
    ],
)  # fmt: skip
def test_forms_of_xmp_are_read(properties: str, expected: Credit, make_image: MakeImage) -> None:
    assert credit_of(with_xmp(make_image(), HEAD + properties + TAIL)) == expected


@pytest.mark.parametrize(
    "xmp",
    [
        "no XML",
        "<a/>",
        FULL[:-20],
        FULL.replace("rdf:RDF", "rdf:Other"),
        f'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>{FULL.replace("Bob", "&b;")}',
        FULL.replace("Bob", "&unknown;"),
        "<a>" * 20_000,
    ],
    ids=range(7),
)
def test_damaged_or_hostile_xmp_is_ignored(xmp: str, make_image: MakeImage) -> None:
    assert credit_of(with_xmp(make_image(), xmp)) == NO_CREDIT


def test_huge_xmp_is_ignored() -> None:
    packet = FULL.replace(TAIL, "<dc:x/>" * 200_000 + TAIL)
    assert credit_of(png_with_text("XML:com.adobe.xmp", FULL, kind="iTXt")) == OF_XMP
    assert credit_of(png_with_text("XML:com.adobe.xmp", packet, kind="iTXt")) == NO_CREDIT


def test_credit_of_iptc_is_found(make_image: MakeImage) -> None:
    sets = iim((80, b"Ada"), (80, "Bøb".encode()), (110, b"Agency"), (116, b"\xa9 Ada"), (120, b"SECRET"))
    expected = Credit(creators=("Ada", "Bøb"), credit="Agency", rights="© Ada")
    assert credit_of(with_iptc(make_image(), sets)) == expected
    assert credit_of(png_with_text("Raw profile type iptc", raw_profile("iptc", resources(sets)))) == expected
    assert credit_of(png_with_text("Raw profile type iptc", raw_profile("iptc", sets))) == expected


def test_xmp_precedes_iptc(make_image: MakeImage) -> None:
    data = with_xmp(
        with_iptc(make_image(), iim((80, b"Eve"), (110, b"Agency"))), f"{HEAD}dc:creator='Ada'>{TAIL}"
    )
    assert credit_of(data) == Credit(creators=("Ada",), credit="Agency")


@pytest.mark.parametrize(
    "content", [b"", b"\x1c", b"\x1c\2\x50", b"\x1c\2\x50\xff\xff", b"\x1c\2\x50\x7f\xff", b"\0" * 9]
)
def test_damaged_iptc_is_ignored(content: bytes, make_image: MakeImage) -> None:
    assert credit_of(with_iptc(make_image(), content)) == NO_CREDIT
    profile = raw_profile("iptc", b"8BIM\x04\x04" + content)
    assert credit_of(png_with_text("Raw profile type iptc", profile)) == NO_CREDIT


def test_credit_in_texts_behind_the_pixels_of_a_png_is_found() -> None:
    text = raw_profile("exif", exif(b"Ada"))
    assert credit_of(png_with_text("Raw profile type exif", text, behind=True)) == Credit(artist="Ada")


# --- What is written ----------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_rendition_keeps_exactly_the_credit(format: Format, make_image: MakeImage) -> None:
    data = with_xmp(make_image(exif=exif("Åda".encode(), b"(c) Ada"), comment=b"SECRET"), FULL)
    tags, xmp, output = kept(data, format)
    written = {name: value.encode("latin-1").decode() for name, value in tags.items()}
    assert written == {ExifTags.Base.Artist: "Åda", ExifTags.Base.Copyright: "(c) Ada"}
    assert xmp.decode().startswith("<?xpacket begin=")
    (description,) = fromstring(xmp.decode()).iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    names = [element.tag.rpartition("}")[2] for element in description]
    assert names == ["creator", "rights", "Credit", "WebStatement", "Licensor"]
    assert len(description.attrib) == 1
    assert credit_of(output) == replace(OF_XMP, artist="Åda", copyright="(c) Ada")


@pytest.mark.parametrize("format", FORMATS)
def test_rendition_of_a_file_without_credit_contains_only_pixels(
    format: Format, make_image: MakeImage
) -> None:
    data = with_xmp(make_image(exif=exif()), f"{HEAD}>{TAIL}")
    assert kept(data, format)[:2] == ({}, b"")
    off = decode(data, presets=[SMALL], limits=LIMITS).render(Recipe(SMALL, format))
    assert decode(data, presets=[KEEPING], limits=LIMITS).render(Recipe(KEEPING, format)) == off


@pytest.mark.parametrize("format", FORMATS)
def test_credit_is_not_kept_by_default(format: Format, make_image: MakeImage) -> None:
    data = with_xmp(make_image(exif=exif(b"Ada", b"Ada")), FULL)
    source = decode(data, presets=[SMALL], limits=LIMITS)
    output = source.render(Recipe(SMALL, format)).data
    assert source.credit == NO_CREDIT
    assert [word for word in (b"Ada", b"Agency", b"Exif", b"xmpmeta") if word in output] == []


HOSTILE = [
    "</rdf:li></rdf:Seq></dc:creator><exif:GPSLatitude>47,22N</exif:GPSLatitude>",
    "<?xpacket end='w'?>",
    "]]><!-- &amp; \"'",
    "<!DOCTYPE x>",
    "\U0001f4f7" * 5000,
    "&" * 5000,
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_value_stays_a_short_value(value: str, format: Format) -> None:
    credit = Credit(artist=value[:300], creators=(value[:300],) * 10, rights=value[:300], credit=value[:300])
    source = decode(SIMPLE, presets=[KEEPING], limits=LIMITS)
    output = replace(source, credit=credit).render(Recipe(KEEPING, format)).data
    assert len(output) < 40_000
    found = credit_of(output)
    assert (found.creators, found.rights, found.credit) == (credit.creators, credit.rights, credit.credit)
    with opened(output, limits=LIMITS) as picture:
        xmp = fromstring(picture.info["xmp"].decode())
        assert [element for element in xmp.iter() if "exif" in element.tag] == []


def simple() -> bytes:
    output = BytesIO()
    Image.new("RGB", (40, 30), "#3366cc").save(output, "PNG")
    return output.getvalue()


SIMPLE = simple()


def test_animation_keeps_the_credit() -> None:
    frames = [pixel_art(60, dots=30, colours=count) for count in (4, 6)]
    data = animation(frames, exif=exif(b"Ada"), xmp=FULL.encode())
    tags, xmp, output = kept(data, "webp")
    assert tags == {ExifTags.Base.Artist: "Ada"}
    assert b"Agency" in xmp
    with Image.open(BytesIO(output)) as picture:
        assert getattr(picture, "n_frames", 1) == 2


def test_pixel_cache_keeps_the_credit() -> None:
    data = png_with_text("XML:com.adobe.xmp", FULL, kind="iTXt", behind=True)
    large = Preset(name="large", width=1920, keep_credit=True)
    decoded = decode(data, presets=[KEEPING], limits=LIMITS, later=[large]).decoded
    assert decoded is not None
    handed = unpacked(b"".join(packed(decoded)))
    assert handed.credit == OF_XMP
    assert decode(data, presets=[large], limits=LIMITS, handed=handed).credit == OF_XMP


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["photos", "metadata", "heic"])
def test_credit_of_real_files_is_kept_alone(folder: str, corpus: Any) -> None:
    for path in corpus_files(corpus, folder=folder, expect="accept")[:12]:
        source = decode(path.read_bytes(), presets=[KEEPING], limits=LIMITS)
        with Image.open(BytesIO(source.render(Recipe(KEEPING, "jpeg")).data)) as picture:
            names = {ExifTags.Base.Artist, ExifTags.Base.Copyright}
            assert picture.getexif().keys() <= names, path.name
            assert bool(picture.getexif()) is bool(source.credit.artist or source.credit.copyright)
            assert not {"comment", "icc_profile", "photoshop"} & picture.info.keys(), path.name
