"""Credit: find the names of a picture's creator and of its rights in its EXIF, XMP and IPTC.

Senders control all of it: values are shortened and cleaned, and any error of a parser means that the value is
unknown.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from struct import unpack_from
from xml.etree.ElementTree import Element, fromstring

from PIL import ExifTags, Image

from processing.images.encoding.credit import Credit
from processing.images.reading.embedded import cleaned, exif_of, iptc_of, xmp_of

# Characters of a value. A longer URL would not work if it was cut, so it is left out.
_LENGTH = 300
_MOST_CREATORS = 10
# The IPTC Photo Metadata Standard allows three licensors.
_MOST_LICENSORS = 3
# Bytes of a packet. Longer ones hold an editor's history, and would take long to parse.
_LARGEST_PACKET = 1 << 20
# Schemes other than the web's, such as that of scripts. People also write URLs without a scheme.
_OTHER_SCHEME = re.compile(r"(?!https?://)[a-z][a-z0-9+.-]*:\S", re.IGNORECASE)
# Data sets of IPTC-IIM 4.2, record 2: by-line, credit, copyright notice.
_BY_LINE, _CREDIT, _COPYRIGHT = 80, 110, 116

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"
_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def read_credit(image: Image.Image) -> Credit:
    """Return the credit of the original `image`, without reading or decoding more of it.

    Values of IPTC stand in for those that XMP lacks.
    """
    exif = _Exif(image)
    xmp = _Xmp(image)
    iptc = _Iptc(image)
    return Credit(
        artist=exif.text(ExifTags.Base.Artist),
        copyright=exif.text(ExifTags.Base.Copyright),
        creators=(xmp.texts(f"{_DC}creator") or iptc.texts(_BY_LINE))[:_MOST_CREATORS],
        rights=xmp.text(f"{_DC}rights") or iptc.text(_COPYRIGHT),
        credit=xmp.text(f"{_PHOTOSHOP}Credit") or iptc.text(_CREDIT),
        web_statement=_url(xmp.text(f"{_RIGHTS}WebStatement")),
        licensors=xmp.licensors()[:_MOST_LICENSORS],
    )


class _Exif:
    """The texts of EXIF's first directory."""

    def __init__(self, image: Image.Image) -> None:
        self._exif = Image.Exif()
        with suppress(Exception):
            self._exif = exif_of(image)

    def text(self, tag: int) -> str:
        """Return a text; a copyright may have two parts, of the photographer and of the editor."""
        with suppress(Exception):
            value = self._exif.get(tag)
            if isinstance(value, str):
                # Pillow reads the bytes as Latin-1; most programs write UTF-8.
                parts = (_cleaned(_decoded(part.encode("latin-1"))) for part in value.split("\0"))
                return ", ".join(part for part in parts if part)[:_LENGTH]
        return ""


class _Xmp:
    """The properties of an XMP packet (XMP specification, part 1, 7), without those of nested structures."""

    def __init__(self, image: Image.Image) -> None:
        self._descriptions: list[Element] = []
        with suppress(Exception):
            packet = xmp_of(image)
            text = packet.decode().strip("\ufeff\0 \t\r\n")
            # A document type could define entities that expand to gigabytes; XMP has none.
            if len(packet) <= _LARGEST_PACKET and "<!DOCTYPE" not in text:
                root = fromstring(text)  # noqa: S314 - it has no document type
                graph = next(root.iter(f"{_RDF}RDF"))
                self._descriptions = graph.findall(f"{_RDF}Description")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of a property, the one of the default language first."""
        for description in self._descriptions:
            found = tuple(filter(None, map(_cleaned, _values(description, name))))
            if found:
                return found
        return ()

    def text(self, name: str) -> str:
        """Return the first value of a property, or ""."""
        return next(iter(self.texts(name)), "")

    def licensors(self) -> tuple[tuple[str, str], ...]:
        """Return the name and URL of each licensor, and nothing of its addresses."""
        found = []
        for description in self._descriptions:
            for item in description.findall(f"{_PLUS}Licensor/*/{_RDF}li"):
                name = _cleaned(_field(item, f"{_PLUS}LicensorName"))
                url = _url(_cleaned(_field(item, f"{_PLUS}LicensorURL")))
                if name or url:
                    found.append((name, url))
        return tuple(found)


def _values(description: Element, name: str) -> list[str]:
    """Return the values of a property: an attribute, a text, or the items of an array."""
    if name in description.attrib:
        return [description.attrib[name]]
    element = description.find(name)
    if element is None:
        return []
    items = element.findall(f"*/{_RDF}li")
    if not items:
        return [element.text or element.get(f"{_RDF}resource") or ""]
    items.sort(key=lambda item: item.get(_LANGUAGE, "x-default") != "x-default")
    return [item.text or "" for item in items]


def _field(item: Element, name: str) -> str:
    """Return a field of a structure, which is in the item itself or in a description within it."""
    for holder in (item, *item.findall(f"{_RDF}Description")):
        found = next(iter(_values(holder, name)), "")
        if found:
            return found
    return ""


class _Iptc:
    """The texts of IPTC-IIM 4.2, record 2."""

    def __init__(self, image: Image.Image) -> None:
        self._found: list[tuple[int, bytes]] = []
        with suppress(Exception):
            self._found = list(_data_sets(iptc_of(image)))

    def texts(self, number: int) -> tuple[str, ...]:
        """Return the values of a data set."""
        return tuple(
            filter(None, (_cleaned(_decoded(value)) for known, value in self._found if known == number))
        )

    def text(self, number: int) -> str:
        """Return the first value of a data set, or ""."""
        return next(iter(self.texts(number)), "")


def _data_sets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and value of the data sets of record 2 (IPTC-IIM 4.2, 1.5)."""
    position = 0
    while position + 5 <= len(data) and data[position] == 0x1C:
        record, number, size = unpack_from(">BBH", data, position + 1)
        # The highest bit announces a longer size, which no text of ours needs.
        if size & 0x8000:
            return
        position += 5
        if record == 2:
            yield number, data[position : position + size]
        position += size


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _cleaned(value: str) -> str:
    return cleaned(value, length=_LENGTH)


def _url(value: str) -> str:
    """Return a URL of the web, or "" if it has another scheme or is too long."""
    return value if not _OTHER_SCHEME.match(value) and len(value) < _LENGTH else ""
