"""The settings of Darkroom: what `DARKROOM` says in Django's settings, read here and nowhere else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from processing.images.reading.limits import INPUT_FORMATS, Limits
from processing.presets import Preset, parse_presets


def _default_presets() -> Mapping[str, Mapping[str, Any]]:
    return {
        "thumb": {"width": 256, "height": 256, "mode": "fill"},
        "small": {"width": 320},
        "medium": {"width": 640},
        "large": {"width": 1280},
        "xlarge": {"width": 1920},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default: `DARKROOM = {}` is enough.

    `DARKROOM` spells the names in capital letters. `docs/settings.md` tells what each of them does.
    """

    # Bytes of one original, and pixels of its one frame; a 200-megapixel phone fits.
    max_upload_bytes: int = 50 * 1024**2
    max_pixels: int = 210_000_000
    # Pixels of its longer side, which is as long as a JPEG's can be.
    max_side: int = 65_535
    # Pixels of all frames of an animation together, and their number; what is beyond is left out.
    max_animation_pixels: int = 150_000_000
    max_frames: int = 3000
    # Bytes of its colour profile, and of all else beside the pixels, uncompressed.
    max_profile_bytes: int = 4 * 1024**2
    max_text_bytes: int = 16 * 1024**2
    # Of "tiff" and "bmp", those that are taken too.
    extra_formats: tuple[str, ...] = ()
    # Threads that encode the renditions of one original; they help while a core is idle.
    encoder_threads: int = 2
    # The folder in which the first step leaves what it has decoded for the second, and how many bytes
    # may lie there. Without a folder, or with 0 bytes, the second step decodes again.
    handover_dir: str = ""
    handover_bytes: int = 512 * 1024**2
    # Bytes of address space that a process which decodes may have.
    worker_memory: int = 4 * 1024**3
    # Seconds that a step may take before its worker is ended, and how often a crash or a failing storage
    # is tried again before the upload has failed.
    step_time_limit: int = 120
    max_crashes: int = 3
    max_attempts: int = 20
    # Of one person's uploads, how many are in the queues at once; the others wait in the database.
    uploads_at_once: int = 16
    # Seconds of silence after which a request's body is given up, and bytes a second that it comes at.
    body_timeout: float = 30
    body_rate: int = 1000
    # How many images may be sent in a time, such as "100/minute;5000/hour"; "" is no limit.
    uploads_per_person: str = "5000/hour"
    uploads_per_address: str = "20000/hour"
    # How many images, and bytes of originals, a person may keep; 0 is no limit.
    quota_images: int = 100_000
    quota_bytes: int = 100 * 1024**3
    # Seconds for which a worker that is told to stop goes on with what it has in hand.
    stop_time: int = 10
    # Seconds between a deletion and the removal of the files.
    delete_grace: int = 30
    # Seconds for which a signed link opens a private picture.
    signed_link_max_age: int = 7 * 24 * 3600
    # Whether webhooks may go to loopback, private and other addresses of the own network.
    webhook_private_addresses: bool = False
    # The address at which people reach the site: addresses in mail begin with it.
    site_url: str = "http://127.0.0.1:8000"
    # The Redis that counts rates and carries wake-ups to the live page.
    redis_url: str = "redis://127.0.0.1:6379/0"
    # The token that opens `/metrics`; without one, requests from the same machine are answered.
    metrics_token: str = ""
    # The fields of each preset, by its name. `docs/presets.md` tells what each field does.
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=_default_presets)


def defaults() -> dict[str, Any]:
    """Return every key of `DARKROOM` with its default."""
    return {name.upper(): value for name, value in asdict(Settings()).items()}


def read(given: Mapping[str, Any]) -> Settings:
    """Return the settings that `DARKROOM` gives; `problems` tells what is wrong with them."""
    return Settings(**{key.lower(): given[key] for key in defaults() if key in given})


def problems(given: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each key of `DARKROOM` that is unknown or has a value of another kind."""
    known = defaults()
    unknown = [key for key in given if key not in known]
    wrong = [
        f"DARKROOM[{key!r}] is {given[key]!r}; it must be {wanted}."
        for key in known
        if key in given and (wanted := _wanted(known[key], given[key]))
    ]
    return [f"DARKROOM has no key {key!r}; docs/settings.md lists them." for key in unknown] + wrong


def _wanted(default: Any, value: Any) -> str:
    """Return what a value must be to stand in place of the default, "" where it is that."""
    match default:
        case bool():
            return "" if isinstance(value, bool) else "True or False"
        case int() | float():
            right = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            return "" if right else "a number, 0 or more"
        case tuple():
            return "" if isinstance(value, list | tuple) else "a list of texts"
        case str():
            return "" if isinstance(value, str) else "a text"
    return "" if isinstance(value, Mapping) else "a mapping from names to fields"


@cache
def darkroom() -> Settings:
    """Return the settings."""
    return read(getattr(settings, "DARKROOM", {}))


@cache
def presets() -> tuple[Preset, ...]:
    """Return the configured presets, largest first, so that smaller ones can be made from larger."""
    parsed = parse_presets(darkroom().presets)
    return tuple(sorted(parsed, key=lambda preset: preset.width or preset.height or 0, reverse=True))


def preset_named(name: str) -> Preset | None:
    """Return the configured preset of that name, if there is one."""
    return next((preset for preset in presets() if preset.name == name), None)


def limits() -> Limits:
    """Return which formats are taken, and how much of each thing a file may have."""
    now = darkroom()
    return Limits(
        pixels=now.max_pixels,
        side=now.max_side,
        animation_pixels=now.max_animation_pixels,
        frames=now.max_frames,
        profile_bytes=now.max_profile_bytes,
        text_bytes=now.max_text_bytes,
        formats=INPUT_FORMATS + tuple(name.upper() for name in now.extra_formats),
    )


@receiver(setting_changed)
def forget(*, setting: str, **kwargs: Any) -> None:
    """Read the settings anew after a test has overridden them."""
    if setting == "DARKROOM":
        darkroom.cache_clear()
        presets.cache_clear()
