"""Keys that are derived from content and recipe."""

import hmac
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from processing import fingerprint as module
from processing.fingerprint import original_key, public_key
from processing.presets import FORMATS, Format, Preset, Recipe

PRESET = Preset(name="thumb", width=256, height=256, mode="fill")
RECIPE = Recipe(PRESET, "jpeg")
CONTENT_HASH = "ab" * 32

fingerprint = partial(module.fingerprint, resampler="simd")
rendition_key = partial(module.rendition_key, resampler="simd")


@pytest.mark.parametrize(
    ("change", "formats"),
    [
        ({"width": 257}, "webp jpeg png avif"),
        ({"width": None}, "webp jpeg png avif"),
        ({"height": 255}, "webp jpeg png avif"),
        ({"mode": "fit"}, "webp jpeg png avif"),
        ({"quality": 80}, "webp jpeg avif"),
        ({"effort": 0}, "webp png avif"),
        ({"background": "#000000"}, "jpeg"),
        ({"keep_credit": True}, "webp jpeg png avif"),
        ({"name": "other"}, ""),
        ({"formats": ("webp",)}, ""),
    ],
    ids=str,
)
def test_fingerprint_changes_with_fields_that_affect_pixels(change: dict[str, Any], formats: str) -> None:
    changed = replace(PRESET, **change)
    found = [
        format
        for format in FORMATS
        if fingerprint(Recipe(changed, format)) != fingerprint(Recipe(PRESET, format))
    ]
    assert " ".join(found) == formats


def test_every_preset_field_is_considered() -> None:
    assert set(Preset.__dataclass_fields__) == {
        "name",
        "width",
        "height",
        "mode",
        "formats",
        "quality",
        "effort",
        "background",
        "keep_credit",
    }


def test_each_format_has_its_own_fingerprint() -> None:
    assert len({fingerprint(Recipe(PRESET, format)) for format in FORMATS}) == len(FORMATS)


def test_fingerprint_changes_with_the_engine_version_of_its_format(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {format: fingerprint(Recipe(PRESET, format)) for format in FORMATS}
    monkeypatch.setitem(module.ENGINE_VERSIONS, "webp", module.ENGINE_VERSIONS["webp"] + 1)
    changed = {format for format in FORMATS if fingerprint(Recipe(PRESET, format)) != before[format]}
    assert changed == {"webp"}


def test_fingerprint_changes_with_the_version_of_the_kept_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = replace(PRESET, keep_credit=True)
    presets = (PRESET, keeping)
    before = [fingerprint(Recipe(preset, format)) for preset in presets for format in FORMATS]
    monkeypatch.setattr(module, "CREDIT_VERSION", module.CREDIT_VERSION + 1)
    after = [fingerprint(Recipe(preset, format)) for preset in presets for format in FORMATS]
    same = [one == other for one, other in zip(before, after, strict=True)]
    assert same == [True] * len(FORMATS) + [False] * len(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
def test_fingerprint_changes_with_the_resampler(format: Format) -> None:
    recipe = Recipe(PRESET, format)
    assert fingerprint(recipe) != module.fingerprint(recipe, resampler="pillow")


def test_adjacent_fields_are_separated() -> None:
    one, other = Preset(name="p", width=11, height=1), Preset(name="p", width=1, height=11)
    assert fingerprint(Recipe(one, "webp")) != fingerprint(Recipe(other, "webp"))


def test_keys_are_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    # A changed value makes every stored file unreachable, so it must be intended.
    monkeypatch.setitem(module.ENGINE_VERSIONS, "jpeg", 1)
    key = public_key(content_hash=CONTENT_HASH, secret="secret")
    assert fingerprint(RECIPE) == "9909b1dbaabbcf00"
    assert key == "b2f821a81e1ff4a688e61d068f81f824a04e7da1"
    assert original_key(CONTENT_HASH) == f"originals/ab/{CONTENT_HASH}"
    assert (
        rendition_key(public_key=key, recipe=RECIPE)
        == f"renditions/{key[:2]}/{key}/thumb-9909b1dbaabbcf00.jpg"
    )


def test_public_key_is_a_standard_hmac() -> None:
    expected = hmac.new(b"darkroom.public_key:secret", CONTENT_HASH.encode(), "sha256").hexdigest()[:40]
    assert public_key(content_hash=CONTENT_HASH, secret="secret") == expected


def test_public_key_cannot_be_computed_without_the_secret() -> None:
    keys = {
        public_key(content_hash=CONTENT_HASH, secret=secret) for secret in ("secret", "Secret", "secret ", "")
    }
    assert len(keys) == 4


def test_public_key_does_not_reveal_the_content_hash() -> None:
    assert CONTENT_HASH[:8] not in public_key(content_hash=CONTENT_HASH, secret="secret")
    other = CONTENT_HASH[:-1] + "c"
    one, two = (public_key(content_hash=value, secret="secret") for value in (CONTENT_HASH, other))
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 15


def test_each_preset_and_format_has_its_own_key() -> None:
    presets = (PRESET, replace(PRESET, name="other"), replace(PRESET, quality=1))
    keys = {
        rendition_key(public_key="k" * 40, recipe=Recipe(preset, format))
        for preset in presets
        for format in ("webp", "jpeg", "avif")
    }
    assert len(keys) == 9


def test_focal_point_changes_the_key_but_not_the_fingerprint() -> None:
    focused = RECIPE._replace(focus="310.400")
    assert fingerprint(focused) == fingerprint(RECIPE)
    automatic = rendition_key(public_key="k" * 40, recipe=RECIPE)
    assert rendition_key(public_key="k" * 40, recipe=focused) == automatic.replace(".jpg", "-310.400.jpg")
