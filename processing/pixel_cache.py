"""Handover: what the first step has decoded, left on this machine for the second.

Decoding is what a PNG or a HEIC costs most, and a camera's JPEG a good part, and two steps would do it
twice. It is no more than a help: whoever finds nothing here decodes the original, and gets the same pixels.
"""

import hashlib
import json
import secrets
from contextlib import suppress
from pathlib import Path

from processing import conf
from processing.conf import darkroom
from processing.fingerprint import fingerprint
from processing.images.packing import packed, packed_size, unpacked
from processing.images.source import Decoded
from processing.models import Original
from processing.presets import Recipe
from processing.stale_files import remove_older

# Smaller ones are decoded again in no time; so are JPEGs that are scaled while they are decoded, but
# for what a camera makes: reading through its file takes longer than what is handed over.
_PIXELS, _JPEG_PIXELS = 1_000_000, 11_000_000
# Whoever was to take it has failed, or runs on another machine.
_SECONDS = 600


def pays(original: Original) -> bool:
    """Tell whether decoding the original once more costs more than handing over its pixels."""
    pixels = original.width * original.height
    return bool(darkroom().handover_dir and darkroom().handover_bytes) and pixels >= (
        _JPEG_PIXELS if original.format == "jpeg" else _PIXELS
    )


def put(original: Original, decoded: Decoded) -> None:
    """Leave what was decoded, unless too much lies there already or it cannot be written."""
    folder = Path(darkroom().handover_dir)
    with suppress(OSError):
        # Nobody else on the machine has to do with people's pictures.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_older(folder, seconds=_SECONDS)
        if _used_bytes(folder) + packed_size(decoded) > darkroom().handover_bytes:
            return
        part = folder / f"{secrets.token_hex(8)}.part"
        try:
            with part.open("wb") as file:
                file.writelines(packed(decoded))
            part.replace(_path(original))
        finally:
            part.unlink(missing_ok=True)


def take(original: Original) -> Decoded | None:
    """Return what was left, which is gone then, or None."""
    path = _path(original)
    mine = path.with_suffix(f".{secrets.token_hex(8)}")
    try:
        # Whoever comes at the same time finds nothing.
        path.replace(mine)
        data = mine.read_bytes()
        mine.unlink()
        return unpacked(data)
    except (OSError, ValueError, KeyError):
        return None


def remove_old() -> None:
    """Remove what nobody has taken."""
    with suppress(OSError):
        remove_older(Path(darkroom().handover_dir), seconds=_SECONDS)


def _path(original: Original) -> Path:
    """Return where it lies: other presets, or another version, would want other pixels."""
    recipes = [fingerprint(Recipe(preset, format)) for preset in conf.presets() for format in preset.formats]
    digest = hashlib.sha256(json.dumps(recipes).encode()).hexdigest()[:16]
    return Path(darkroom().handover_dir) / f"{original.content_hash}-{digest}.pixels"


def _used_bytes(folder: Path) -> int:
    """Return how many bytes lie there."""
    used = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            used += path.stat().st_size
    return used
