"""Embedded data: the EXIF, XMP and IPTC of a file, at each place where its format may keep them.

A PNG has chunks for EXIF and XMP. ImageMagick and others write text chunks instead, named "Raw profile type
…", which hold the data in hexadecimal digits (ExifTool's tag names of PNG, TextualData). Senders control all
of these data: a block that is damaged counts as missing.
"""

import re
from binascii import unhexlify
from collections.abc import Iterator

from PIL import Image

# Characters of a text with digits. An honest EXIF block has some 64 KiB; `bounds` allows texts of 16 MiB.
_LONGEST_TEXT = 4 << 20
_DIGITS, _SPACE = re.compile(r"[0-9a-fA-F\s]+", re.ASCII), b" \t\n\r\v\f"
_EXIF_MARK, _XMP_MARK = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEY = "XML:com.adobe.xmp"
# Photoshop's image resource of IPTC data.
_IPTC_RESOURCE, _RESOURCE_MARK = 0x0404, b"8BIM\x04\x04"
# Longer texts are cut to this length before they are cleaned.
_LONGEST_VALUE = 10_000


def exif_of(image: Image.Image) -> Image.Exif:
    """Return the EXIF data of an opened picture, empty if it has none; no pixel is decoded."""
    if image.format != "PNG" or isinstance(image.info.get("exif"), bytes):
        return image.getexif()
    exif = Image.Exif()
    for data in _raw_profiles(image, "exif", "APP1"):
        if not data.startswith(_XMP_MARK):
            exif.load(data)
            break
    return exif


def xmp_of(image: Image.Image) -> bytes:
    """Return the XMP packet of an opened picture, empty if it has none."""
    xmp, text = image.info.get("xmp"), image.info.get(_XMP_KEY)
    found = xmp if isinstance(xmp, bytes) else b""
    if image.format == "PNG" and not found:
        if isinstance(text, str):
            found = text.encode()
        for data in _raw_profiles(image, "xmp", "APP1"):
            if not data.startswith(_EXIF_MARK):
                found = found or data.removeprefix(_XMP_MARK)
    return found


def iptc_of(image: Image.Image) -> bytes:
    """Return the IPTC data (IIM) of an opened JPEG or PNG, empty if it has none."""
    resources = image.info.get("photoshop")
    if isinstance(resources, dict):
        found = resources.get(_IPTC_RESOURCE)
        return found if isinstance(found, bytes) else b""
    if image.format == "PNG":
        for data in _raw_profiles(image, "iptc", "8bim"):
            return _resource(data)
    return b""


def cleaned(value: object, *, length: int = 100) -> str:
    """Return a text's first characters on one line, without unprintable ones; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    words = " ".join(value[:_LONGEST_VALUE].split())
    return "".join(character for character in words if character.isprintable())[:length].strip()


def _resource(data: bytes) -> bytes:
    """Return the IPTC data within Photoshop's image resources: a mark, a name, a size and the content."""
    start = data.find(_RESOURCE_MARK) + len(_RESOURCE_MARK)
    if start < len(_RESOURCE_MARK) or start >= len(data):
        return data
    # The name begins with its length, and both together have an even number of bytes.
    start += (data[start] + 2) // 2 * 2
    size = int.from_bytes(data[start : start + 4])
    return data[start + 4 : start + 4 + size]


def _raw_profiles(image: Image.Image, *names: str) -> Iterator[bytes]:
    """Yield the profiles of these names that a PNG holds as text.

    The text is an empty line, the name, the length and lines of digits. Writers count the length differently,
    and some write other bytes after the digits. So the digits alone count.
    """
    for name in names:
        text = image.info.get(f"Raw profile type {name}")
        lines = text.split("\n", 3) if isinstance(text, str) and len(text) <= _LONGEST_TEXT else []
        if len(lines) == 4 and (found := _DIGITS.match(lines[3])):
            digits = found[0].encode().translate(None, _SPACE)
            yield unhexlify(digits[: len(digits) // 2 * 2])
