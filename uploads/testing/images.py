"""Tiny images for tests, as bytes and as uploaded files."""

from django.core.files.uploadedfile import SimpleUploadedFile

from processing.images.encoding.placeholder import plain_picture
from processing.presets import CONTENT_TYPES, Format

# The formats by the end of a file's name.
_FORMATS: dict[str, Format] = {"jpg": "jpeg", "jpeg": "jpeg", "png": "png", "webp": "webp"}


def tiny_image(*, width: int = 8, height: int = 6, color: str = "#336699", format: Format = "jpeg") -> bytes:
    """Return a valid image of one colour, given as #rrggbb.

    The same arguments give the same bytes, which are a duplicate for their owner. Use another colour for
    other bytes.
    """
    return plain_picture(size=(width, height), color=color, format=format)


def tiny_file(
    name: str = "tiny.jpg", *, width: int = 8, height: int = 6, color: str = "#336699"
) -> SimpleUploadedFile:
    """Return a tiny image as a form or `Client.post` takes it. The end of its name gives the format.

    Raises `ValueError` for another end than `.jpg`, `.jpeg`, `.png` or `.webp`.
    """
    format = _FORMATS.get(name.rpartition(".")[2].lower())
    if format is None:
        raise ValueError(f"{name!r} must end with one of {', '.join(f'.{end}' for end in _FORMATS)}.")
    data = tiny_image(width=width, height=height, color=color, format=format)
    return SimpleUploadedFile(name, data, CONTENT_TYPES[format])
