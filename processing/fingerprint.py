"""Names derived from content and recipe: the same bytes and recipe give the same key."""

import hashlib
import hmac
import json
from dataclasses import asdict

from processing.presets import EXTENSIONS, Format, Preset

# Raise it when a change of the renderer or of a codec library changes what it puts out:
# every rendition is stale then, and `reprocess --stale` renders them again.
ENGINE_VERSION = 1


def fingerprint(preset: Preset) -> str:
    """Return 16 hexadecimal digits that change whenever what the recipe does changes.

    The name is left out, for it changes no pixel.
    """
    fields = {name: value for name, value in asdict(preset).items() if name != "name"}
    recipe = json.dumps([ENGINE_VERSION, fields], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def public_key(*, content_hash: str, secret: str) -> str:
    """Return the public name of an original: 40 hexadecimal digits of HMAC-SHA-256 (RFC 2104).

    Keyed, so that nobody can tell from a file whether it has been uploaded.
    """
    mac = hmac.digest(b"darkroom.public_key:" + secret.encode(), content_hash.encode(), "sha256")
    return mac.hex()[:40]


def original_key(content_hash: str) -> str:
    """Return the storage key of an original."""
    return f"originals/{content_hash[:2]}/{content_hash}"


def rendition_key(*, public_key: str, preset: Preset, format: Format) -> str:
    """Return the storage key of a rendition."""
    name = f"{preset.name}-{fingerprint(preset)}.{EXTENSIONS[format]}"
    return f"renditions/{public_key[:2]}/{public_key}/{name}"
