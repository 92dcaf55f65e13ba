"""What the settings say, as the types that the rest works with."""

from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from processing.images.reading.limits import INPUT_FORMATS, Limits
from processing.presets import Preset, parse_presets


@cache
def presets() -> tuple[Preset, ...]:
    """Return the configured presets, largest first, so that smaller ones can be made from larger."""
    parsed = parse_presets(settings.DARKROOM["PRESETS"])
    return tuple(sorted(parsed, key=lambda preset: preset.width or preset.height or 0, reverse=True))


def preset_named(name: str) -> Preset | None:
    """Return the configured preset of that name, if there is one."""
    return next((preset for preset in presets() if preset.name == name), None)


def limits() -> Limits:
    """Return which formats are taken, and how much of each thing a file may have."""
    return Limits(
        pixels=settings.DARKROOM["MAX_PIXELS"],
        side=settings.DARKROOM["MAX_SIDE"],
        animation_pixels=settings.DARKROOM["MAX_ANIMATION_PIXELS"],
        frames=settings.DARKROOM["MAX_FRAMES"],
        profile_bytes=settings.DARKROOM["MAX_PROFILE_BYTES"],
        text_bytes=settings.DARKROOM["MAX_TEXT_BYTES"],
        formats=INPUT_FORMATS + tuple(name.upper() for name in settings.DARKROOM["EXTRA_FORMATS"]),
    )


def encoder_threads() -> int:
    """Return how many threads encode the renditions of one original."""
    threads: int = settings.DARKROOM["ENCODER_THREADS"]
    return threads


@receiver(setting_changed)
def forget_presets(*, setting: str, **kwargs: Any) -> None:
    """Read the presets anew after a test has overridden them."""
    if setting == "DARKROOM":
        presets.cache_clear()
