"""Keys derived from content and recipe."""

import hmac
from dataclasses import replace
from typing import Any

import pytest

from processing import fingerprint as module
from processing.fingerprint import fingerprint, original_key, public_key, rendition_key
from processing.presets import Preset

PRESET = Preset(name="thumb", width=256, height=256, mode="fill")
CONTENT_HASH = "ab" * 32


@pytest.mark.parametrize(
    "change",
    [
        {"width": 257},
        {"width": None},
        {"height": 255},
        {"mode": "fit"},
        {"formats": ("webp",)},
        {"formats": ("jpeg", "webp")},
        {"quality": 80},
        {"effort": 0},
    ],
    ids=str,
)
def test_the_fingerprint_changes_with_every_field(change: dict[str, Any]) -> None:
    assert fingerprint(replace(PRESET, **change)) != fingerprint(PRESET)


def test_no_field_is_forgotten() -> None:
    assert set(Preset.__dataclass_fields__) == {
        "name",
        "width",
        "height",
        "mode",
        "formats",
        "quality",
        "effort",
    }


def test_the_fingerprint_does_not_change_with_the_name() -> None:
    assert fingerprint(replace(PRESET, name="other")) == fingerprint(PRESET)


def test_the_fingerprint_changes_with_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(PRESET)
    monkeypatch.setattr(module, "ENGINE_VERSION", module.ENGINE_VERSION + 1)
    assert fingerprint(PRESET) != before


def test_fields_do_not_run_into_each_other() -> None:
    assert fingerprint(Preset(name="p", width=11, height=1)) != fingerprint(
        Preset(name="p", width=1, height=11)
    )


def test_keys_stay_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    # Changing one of these makes every stored file unreachable: that must be meant.
    monkeypatch.setattr(module, "ENGINE_VERSION", 1)
    key = public_key(content_hash=CONTENT_HASH, secret="secret")
    assert fingerprint(PRESET) == "069a42a63aa5946a"
    assert key == "b2f821a81e1ff4a688e61d068f81f824a04e7da1"
    assert original_key(CONTENT_HASH) == f"originals/ab/{CONTENT_HASH}"
    assert (
        rendition_key(public_key=key, preset=PRESET, format="jpeg")
        == f"renditions/{key[:2]}/{key}/thumb-069a42a63aa5946a.jpg"
    )


def test_the_public_key_is_the_standard_keyed_digest() -> None:
    expected = hmac.new(b"darkroom.public_key:secret", CONTENT_HASH.encode(), "sha256").hexdigest()[:40]
    assert public_key(content_hash=CONTENT_HASH, secret="secret") == expected


def test_the_public_key_cannot_be_computed_without_the_secret() -> None:
    keys = {
        public_key(content_hash=CONTENT_HASH, secret=secret) for secret in ("secret", "Secret", "secret ", "")
    }
    assert len(keys) == 4


def test_the_public_key_tells_nothing_of_the_content_hash() -> None:
    assert CONTENT_HASH[:8] not in public_key(content_hash=CONTENT_HASH, secret="secret")
    other = CONTENT_HASH[:-1] + "c"
    one, two = (public_key(content_hash=value, secret="secret") for value in (CONTENT_HASH, other))
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 15


def test_each_preset_and_format_has_a_key_of_its_own() -> None:
    presets = (PRESET, replace(PRESET, name="other"), replace(PRESET, quality=1))
    keys = {
        rendition_key(public_key="k" * 40, preset=preset, format=format)
        for preset in presets
        for format in ("webp", "jpeg", "png", "avif")
    }
    assert len(keys) == 12
