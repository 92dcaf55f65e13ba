"""Signatures: identify a file by its first bytes, regardless of its name and its sender's claims."""

import re
from codecs import getincrementaldecoder

from processing.errors import Phrase
from processing.images.reading.base_media.codings import formats_of_brands

# The number of bytes to examine: an SVG may begin with a long comment.
BEGINNING = 4096

# Space, comments and processing instructions; atomic, so that no input makes the search slow.
_PROLOGUE = rb"(?:\xef\xbb\xbf)?(?>\s++|<!--.*?-->|<\?.*?\?>)*+"
_DOCTYPE_OF_SVG = rb"(?>(?i:<!doctype)\s+svg(?>[^>\[]*)(?>\[.*?\]\s*)?>)?+"

_TAKEN = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "WEBP": rb"RIFF.{4}WEBP",
    # Canon's raw files are TIFF with a mark; they would show only a preview.
    "TIFF": rb"II\*\0(?!.{4}CR)|MM\0\*",
    "BMP": rb"BM",
}
# Files that a person may think are pictures, or may choose by mistake. The first match counts.
_OTHERS = (
    (Phrase("a Photoshop file"), rb"8BPS"),
    (Phrase("a GIMP file"), rb"gimp xcf"),
    (Phrase("a PDF document"), rb"%PDF-"),
    (Phrase("a PostScript file"), rb"%!PS|\xc5\xd0\xd3\xc6"),
    (
        Phrase("a camera raw file"),
        rb"II\*\0.{4}CR\x02|.{4}ftypcrx |FUJIFILMCCD-RAW|IIU\0|IIR[OS]|MMOR|FOVb",
    ),
    (Phrase("a TIFF image"), rb"II[*+]\0|MM\0[*+]"),
    # The bytes after the length are zero; without this check a text could match.
    (Phrase("a BMP image"), rb"BM.{4}\0{4}"),
    (Phrase("an icon"), rb"icns|\0\0[\x01\x02]\0[^\0]\0.{3}\0"),
    (Phrase("a JPEG XL image"), rb"\xff\x0a|\0\0\0\x0cJXL \r\n"),
    (Phrase("a JPEG 2000 image"), rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n"),
    (Phrase("a PCX image"), rb"\n[\0\x02-\x05]\x01[\x01\x02\x04\x08]"),
    (Phrase("a DDS texture"), rb"DDS \x7c\0\0\0"),
    (
        Phrase("a video"),
        rb".{4}ftyp(?:iso|mp[47]|avc|qt  |M4V|3g|dash|f4v|MSNV|XAVC)|.{4}(?:moov|mdat|wide)",
    ),
    (Phrase("a video"), rb"\x1aE\xdf\xa3|RIFF.{4}AVI |FLV\x01|\0\0\x01[\xb3\xba]"),
    (Phrase("an audio file"), rb"ID3|fLaC|OggS|RIFF.{4}WAVE|.{4}ftypM4[AB]"),
    (
        Phrase("an office document"),
        rb"PK\x03\x04.{26}(?:\[Content_Types\]|mimetypeapplication/vnd\.oasis)|\xd0\xcf\x11\xe0|\{\\rtf",
    ),
    (Phrase("an archive"), rb"PK(?:\x03\x04|\x05\x06)|\x1f\x8b\x08|7z\xbc\xaf|Rar!\x1a"),
    (Phrase("an SVG drawing"), _PROLOGUE + _DOCTYPE_OF_SVG + _PROLOGUE + rb"<svg[\s>]"),
    (Phrase("a web page"), _PROLOGUE + rb"(?i:<!doctype html|<(?:html|head|body|script)[\s>])"),
)
_NOT_IN_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def formats_of(beginning: bytes) -> tuple[str, ...]:
    """Return the formats, by Pillow's names, that a file with this beginning may have."""
    found = (format for format, pattern in _TAKEN.items() if _begins(beginning, pattern))
    return (*found, *formats_of_brands(beginning))


def kind_of(beginning: bytes) -> Phrase | None:
    """Return the kind of an unaccepted file with this beginning, or None if it is unknown."""
    found = (kind for kind, pattern in _OTHERS if _begins(beginning, pattern))
    return next(found, Phrase("a text file") if _is_text(beginning) else None)


def _begins(beginning: bytes, pattern: bytes) -> bool:
    return re.match(pattern, beginning, re.DOTALL) is not None


def _is_text(beginning: bytes) -> bool:
    """Return whether these are text: UTF-8, or UTF-16 with a byte order mark."""
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    try:
        # The last character may be cut in two; an incremental decoder allows that.
        getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return not _NOT_IN_TEXT.search(beginning)
