"""Credit: the names of a picture's creator and of its rights, as the only metadata of a rendition.

EXIF gets values of EXIF, and XMP those of XMP or IPTC. Both are written anew, so nothing else gets in.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from PIL import ExifTags, Image

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
}
# The wrapper of a packet (XMP specification, part 1, 7.3.2).
_BEGIN, _END = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="r"?>'
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Short texts without control characters; "" or () is unknown.

    `artist` and `copyright` are those of EXIF, and the others of XMP or IPTC: `dc:creator`, `dc:rights`,
    `photoshop:Credit`, `xmpRights:WebStatement`, and the names and URLs of `plus:Licensor`.
    """

    artist: str = ""
    copyright: str = ""
    creators: tuple[str, ...] = ()
    rights: str = ""
    credit: str = ""
    web_statement: str = ""
    licensors: tuple[tuple[str, str], ...] = ()

    def exif(self) -> bytes:
        """Return EXIF data with the artist and the copyright, or b"" without both.

        The texts are UTF-8, which readers expect although CIPA DC-008 asks for ASCII.
        """
        exif = Image.Exif()
        if self.artist:
            exif[ExifTags.Base.Artist] = self.artist.encode()
        if self.copyright:
            exif[ExifTags.Base.Copyright] = self.copyright.encode()
        return exif.tobytes() if exif else b""

    def xmp(self) -> bytes:
        """Return an XMP packet, or b"" without a value."""
        properties = "".join(self._properties())
        if not properties:
            return b""
        names = " ".join(f"xmlns:{name}={quoteattr(uri)}" for name, uri in _NAMESPACES.items())
        description = f'<rdf:Description rdf:about="" {names}>{properties}</rdf:Description>'
        graph = f'<rdf:RDF xmlns:rdf="{_RDF}">{description}</rdf:RDF>'
        return f'{_BEGIN}<x:xmpmeta xmlns:x="adobe:ns:meta/">{graph}</x:xmpmeta>{_END}'.encode()

    def _properties(self) -> list[str]:
        found = []
        if self.creators:
            items = "".join(f"<rdf:li>{escape(name)}</rdf:li>" for name in self.creators)
            found.append(f"<dc:creator><rdf:Seq>{items}</rdf:Seq></dc:creator>")
        if self.rights:
            item = f'<rdf:li xml:lang="x-default">{escape(self.rights)}</rdf:li>'
            found.append(f"<dc:rights><rdf:Alt>{item}</rdf:Alt></dc:rights>")
        found += _element("photoshop:Credit", self.credit)
        found += _element("xmpRights:WebStatement", self.web_statement)
        if self.licensors:
            items = "".join(_licensor(name, url) for name, url in self.licensors)
            found.append(f"<plus:Licensor><rdf:Seq>{items}</rdf:Seq></plus:Licensor>")
        return found


NO_CREDIT = Credit()


def _element(name: str, value: str) -> list[str]:
    return [f"<{name}>{escape(value)}</{name}>"] if value else []


def _licensor(name: str, url: str) -> str:
    fields = _element("plus:LicensorName", name) + _element("plus:LicensorURL", url)
    return f'<rdf:li rdf:parseType="Resource">{"".join(fields)}</rdf:li>'
