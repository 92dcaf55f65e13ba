"""Keys derived from content and recipe: the same bytes and recipe give the same key."""

import hashlib
import hmac
import json

from processing.presets import EXTENSIONS, Format, Recipe, Resampler

# Raise a format's number when the renderer, Pillow or a codec library changes what its renditions look like.
# Those renditions are then stale, and `reprocess --stale` renders them again. A test fails if the bytes
# change but the number does not.
ENGINE_VERSIONS: dict[Format, int] = {"webp": 2, "jpeg": 2, "png": 2, "avif": 2}

# Raise this when the credit that renditions keep is read or written in another way.
CREDIT_VERSION = 1

_FIELDS = ("width", "height", "mode")
_FIELDS_OF: dict[Format, tuple[str, ...]] = {
    "webp": ("quality", "effort"),
    "jpeg": ("quality", "background"),
    "png": ("effort",),
    "avif": ("quality", "effort"),
}


def fingerprint(recipe: Recipe, *, resampler: Resampler) -> str:
    """Return 16 hexadecimal digits that change whenever the effect of the recipe changes.

    The digest omits everything that does not change this rendition: the preset's name, its other formats,
    and fields that this format ignores. It also omits the focal point, which differs between originals and is
    a separate part of the key and of the row.
    """
    fields = {name: getattr(recipe.preset, name) for name in _FIELDS + _FIELDS_OF[recipe.format]}
    if recipe.preset.keep_credit:
        fields["credit"] = CREDIT_VERSION
    text = json.dumps([recipe.format, ENGINE_VERSIONS[recipe.format], resampler, fields], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def public_key(*, content_hash: str, secret: str) -> str:
    """Return the public key of an original: 40 hexadecimal digits of HMAC-SHA-256 (RFC 2104).

    The digest is keyed so that people cannot check whether a file they have was uploaded.
    """
    mac = hmac.digest(b"darkroom.public_key:" + secret.encode(), content_hash.encode(), "sha256")
    return mac.hex()[:40]


def original_key(content_hash: str) -> str:
    """Return the storage key of an original."""
    return f"originals/{content_hash[:2]}/{content_hash}"


def rendition_key(*, public_key: str, recipe: Recipe, resampler: Resampler) -> str:
    """Return the storage key of a rendition."""
    point = f"-{recipe.focus}" if recipe.focus else ""
    digest = fingerprint(recipe, resampler=resampler)
    name = f"{recipe.preset.name}-{digest}{point}.{EXTENSIONS[recipe.format]}"
    return f"renditions/{public_key[:2]}/{public_key}/{name}"
