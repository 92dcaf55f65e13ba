"""Names derived from content and recipe: the same bytes and recipe give the same key."""

import hashlib
import hmac
import json

from processing.presets import EXTENSIONS, Format, Recipe

# Raise a format's number when a change of the renderer, of Pillow or of a codec library changes
# what its renditions look like: they are stale then, and `reprocess --stale` renders them again.
# A test fails when the bytes change and the number does not.
ENGINE_VERSIONS: dict[Format, int] = {"webp": 1, "jpeg": 1, "png": 1, "avif": 1}

_FIELDS = ("width", "height", "mode")
_FIELDS_OF: dict[Format, tuple[str, ...]] = {
    "webp": ("quality", "effort"),
    "jpeg": ("quality", "background"),
    "png": ("effort",),
    "avif": ("quality", "effort"),
}


def fingerprint(recipe: Recipe) -> str:
    """Return 16 hexadecimal digits that change whenever what the recipe does changes.

    What changes no pixel of this rendition is left out: the preset's name, its other formats, and
    fields that mean nothing to this one. So is the focus, which differs between originals: it stands
    in the key and in the row by itself.
    """
    fields = {name: getattr(recipe.preset, name) for name in _FIELDS + _FIELDS_OF[recipe.format]}
    text = json.dumps([recipe.format, ENGINE_VERSIONS[recipe.format], fields], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def public_key(*, content_hash: str, secret: str) -> str:
    """Return the public name of an original: 40 hexadecimal digits of HMAC-SHA-256 (RFC 2104).

    Keyed, so that nobody can tell from a file whether it has been uploaded.
    """
    mac = hmac.digest(b"darkroom.public_key:" + secret.encode(), content_hash.encode(), "sha256")
    return mac.hex()[:40]


def original_key(content_hash: str) -> str:
    """Return the storage key of an original."""
    return f"originals/{content_hash[:2]}/{content_hash}"


def rendition_key(*, public_key: str, recipe: Recipe) -> str:
    """Return the storage key of a rendition."""
    point = f"-{recipe.focus}" if recipe.focus else ""
    name = f"{recipe.preset.name}-{fingerprint(recipe)}{point}.{EXTENSIONS[recipe.format]}"
    return f"renditions/{public_key[:2]}/{public_key}/{name}"
