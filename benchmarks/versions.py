"""Versions of the software of this process; every contender reports its own."""

import os
import platform

from PIL import features

# Keyed by Pillow's names.
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
    """Return the properties of the machine that do not identify it."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "codecs": pillow_codecs(),
    }
