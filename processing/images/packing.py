"""Packing: decoded pixels as bytes, for another process to read."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from PIL import Image

from processing.images.encoding.credit import Credit
from processing.images.geometry.reduction import strips
from processing.images.source import Decoded


def packed_size(decoded: Decoded) -> int:
    """Return the number of bytes that `packed` yields."""
    picture = decoded.picture
    return len(_first_line(decoded)) + picture.width * picture.height * len(picture.getbands())


def packed(decoded: Decoded) -> Iterator[bytes]:
    """Yield one line of JSON, then the pixels."""
    yield _first_line(decoded)
    for _, strip in strips(decoded.picture):
        yield strip.tobytes()


def _first_line(decoded: Decoded) -> bytes:
    picture = decoded.picture
    fields = {
        "orientation": decoded.orientation,
        "mode": picture.mode,
        "size": picture.size,
        "credit": asdict(decoded.credit),
    }
    return json.dumps(fields).encode() + b"\n"


def unpacked(data: bytes) -> Decoded:
    """Return the decoded pixels that `packed` wrote.

    Raises `ValueError` or `KeyError` for incomplete data.
    """
    start = data.index(b"\n") + 1
    fields = json.loads(data[:start])
    picture = Image.frombytes(fields["mode"], tuple(fields["size"]), memoryview(data)[start:])
    credit = Credit(**{name: _as_tuples(value) for name, value in fields["credit"].items()})
    return Decoded(fields["orientation"], picture, credit)


def _as_tuples(value: Any) -> Any:
    """Return a value with the tuples that JSON turned into lists."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
