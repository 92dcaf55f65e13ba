"""The pixel cache: the first step leaves the decoded pixels on this machine for the second.

Decoding is the largest cost of a PNG or HEIC, and a good part of a camera's JPEG. Without the cache both
steps would decode. The cache is optional: a step that finds nothing decodes the original to the same pixels.
"""

import hashlib
import json
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from processing import conf
from processing.conf import darkroom
from processing.fingerprint import fingerprint
from processing.models import Original
from processing.presets import Recipe
from processing.renderer.rendering import RemoteSource
from processing.storages.stale_files import remove_older

# Smaller pictures are quick to decode again. So are JPEGs, which are scaled while they are decoded, except
# for a camera's: reading through such a file takes longer than reading its cached pixels.
_PIXELS, _JPEG_PIXELS = 1_000_000, 11_000_000
# After this time the second step has failed or runs on another machine.
_SECONDS = 600


def pays(original: Original) -> bool:
    """Return whether decoding the original again costs more than caching its pixels."""
    pixels = original.width * original.height
    return bool(darkroom().handover_dir and darkroom().handover_bytes) and pixels >= (
        _JPEG_PIXELS if original.format == "jpeg" else _PIXELS
    )


def put(original: Original, source: RemoteSource) -> None:
    """Cache the decoded pixels, unless the cache is full or cannot be written.

    The renderer writes them into the memory of the file, which it may not write to otherwise. So the file
    gets its space first.
    """
    folder = Path(darkroom().handover_dir)
    with suppress(OSError):
        # Other users of the machine must not see people's pictures.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_older(folder, seconds=_SECONDS)
        if _used_bytes(folder) + source.pixels > darkroom().handover_bytes:
            return
        part = folder / f"{secrets.token_hex(8)}.part"
        try:
            with part.open("wb+") as file:
                _reserve(file, source.pixels)
                source.write_pixels(file)
            part.replace(_path(original))
        finally:
            part.unlink(missing_ok=True)


def take(original: Original) -> BinaryIO | None:
    """Return the file of the cached pixels, without its name, or None. The caller closes it."""
    path = _path(original)
    mine = path.with_suffix(f".{secrets.token_hex(8)}")
    try:
        # The rename makes sure that only one step gets them.
        path.replace(mine)
        file = mine.open("rb")
        mine.unlink()
    except OSError:
        return None
    return file


def remove_old() -> None:
    """Remove pixels that no step has taken."""
    with suppress(OSError):
        remove_older(Path(darkroom().handover_dir), seconds=_SECONDS)


def _path(original: Original) -> Path:
    """Return the cache path. It includes the preset fingerprints, because presets determine the pixels."""
    resampler = conf.resampler()
    recipes = [
        fingerprint(Recipe(preset, format), resampler=resampler)
        for preset in conf.presets()
        for format in preset.formats
    ]
    digest = hashlib.sha256(json.dumps(recipes).encode()).hexdigest()[:16]
    return Path(darkroom().handover_dir) / f"{original.content_hash}-{digest}.pixels"


def _reserve(file: BinaryIO, size: int) -> None:
    """Give a file its size and its space: on a full disk, writing to its memory would end the renderer."""
    if sys.platform == "linux":
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def _used_bytes(folder: Path) -> int:
    """Return the size of the cache in bytes."""
    used = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            used += path.stat().st_size
    return used
