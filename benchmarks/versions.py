"""Versions of what runs here; every contender tells its own."""

import os
import platform

from PIL import features

# As Pillow's own list names them.
_CODECS = {
    "libjpeg_turbo": "libjpeg-turbo",
    "webp": "libwebp",
    "zlib_ng": "zlib-ng",
    "littlecms2": "Little CMS",
    "avif": "libavif",
}


def pillow_codecs() -> str:
    """Return Pillow's codec libraries with their versions."""
    found = {label: features.version(name) for name, label in _CODECS.items()}
    return ", ".join(f"{label} {version}" for label, version in found.items() if version)


def machine() -> dict[str, str]:
    """Return what may be told of the machine: nothing that names it."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "codecs": pillow_codecs(),
    }
