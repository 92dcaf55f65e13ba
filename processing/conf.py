"""The settings of Darkroom, from `DARKROOM` in Django's settings; other modules read them here."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from processing.images.geometry.resampling import INSTALLED
from processing.images.reading import formats
from processing.images.reading.limits import Limits
from processing.presets import RESAMPLERS, Preset, Resampler, parse_presets
from processing.renderer.options import SANDBOXES, Options, Sandbox

# Every origin, in PICTURE_ORIGINS.
ANY_ORIGIN = "*"


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

    `DARKROOM` spells the names in upper case. `docs/settings.md` describes each of them.
    """

    # Bytes of an original, and pixels of one frame; a 200-megapixel phone's picture fits.
    max_upload_bytes: int = 50 * 1024**2
    max_pixels: int = 210_000_000
    # Pixels of the longer side; the default is a JPEG's maximum.
    max_side: int = 65_535
    # Pixels of all frames of an animation together, and their number; further frames are left out.
    max_animation_pixels: int = 150_000_000
    max_frames: int = 3000
    # Bytes of the colour profile, and of all other data besides the pixels, uncompressed.
    max_profile_bytes: int = 4 * 1024**2
    max_text_bytes: int = 16 * 1024**2
    # Formats to accept besides the usual ones: "tiff" and "bmp".
    extra_formats: tuple[str, ...] = ()
    # Whether renditions keep the creator and the rights that the original names; nothing else is kept.
    keep_credit: bool = False
    # The resampler of the whole site, "simd" or "pillow"; "" is the best that each host has.
    resampler: str = ""
    # Threads that encode the renditions of one original; they help while a core is idle.
    encoder_threads: int = 2
    # The folder of the pixel cache, and its size in bytes. Without a folder, or with 0 bytes, the second step
    # decodes again.
    handover_dir: str = ""
    handover_bytes: int = 512 * 1024**2
    # Bytes of address space of a renderer.
    worker_memory: int = 4 * 1024**3
    # What a renderer gives up before its first file: "auto" is what the system allows, "required" refuses to
    # start if the system cannot take everything away, and "off" gives up nothing.
    renderer_sandbox: str = "auto"
    # How far the renderers of this process yield the CPU to other processes: 0 to 19, as for `nice`.
    renderer_niceness: int = 0
    # The checks that each original has to pass before it is rendered: dotted paths, or mappings with "NAME"
    # and "OPTIONS"; the seconds that each may take; and the outcome for an original that they could not check
    # in time, "refuse" or "pass".
    hooks: tuple[Any, ...] = ()
    hook_timeout: float = 20.0
    hooks_out_of_time: str = "refuse"
    # Seconds that a step may take before its worker is killed, and the crashes and attempts after which the
    # upload fails.
    step_time_limit: int = 120
    max_crashes: int = 3
    max_attempts: int = 20
    # Thumbnails, and sizes, of one person's uploads that are queued at once; the others wait in the database.
    # By default, twice the cores of this machine: then no process of its workers waits for the next.
    uploads_at_once: int = 2 * (os.cpu_count() or 1)
    # Requests that a web process works on at once. Others wait for a moment, and are then refused.
    requests_at_once: int = 40
    # Event streams that a web process keeps open: for one person, and for all people together.
    streams_per_person: int = 20
    streams_at_once: int = 1000
    # Seconds in which the head of a request must arrive.
    head_timeout: float = 20
    # Seconds without data after which a request's body is abandoned, and its minimum rate in bytes a second.
    body_timeout: float = 30
    body_rate: int = 1000
    # Rate limits of uploads, such as "100/minute;5000/hour"; "" or "0" is no limit.
    uploads_per_person: str = "5000/hour"
    uploads_per_address: str = "20000/hour"
    # Rate limits of the actions that make events and deliveries. A rate per minute counts requests,
    # and a rate per hour or day its images.
    reprocessings_per_person: str = "30/minute;2000/hour"
    focuses_per_person: str = "30/minute;1000/hour"
    changes_per_person: str = "300/minute;10000/hour"
    webhook_tests_per_person: str = "10/minute;100/hour"
    # Uploads are refused while a disk has fewer free bytes than this, or than this share of its size if that
    # is less; 0 turns it off. The disks of these folders are watched besides those of incoming and stored
    # files.
    disk_free_bytes: int = 2 * 1024**3
    disk_free_share: float = 0.05
    disk_folders: tuple[str, ...] = ()
    # Quota per person, in images and in bytes of originals; 0 is no limit.
    quota_images: int = 100_000
    quota_bytes: int = 100 * 1024**3
    # Seconds that a worker may go on with its current step after it is told to stop.
    stop_time: int = 10
    # Seconds between a deletion and the removal of the files.
    delete_grace: int = 30
    # Seconds for which an upload that a model's field made may be unused before it is removed; 0 keeps it.
    unused_grace: int = 7 * 24 * 3600
    # Seconds for which the permanent URLs of a replaced file still work.
    replace_grace: int = 24 * 3600
    # Seconds for which a private link is valid: by default, and at most.
    private_link_age: int = 7 * 24 * 3600
    private_link_max_age: int = 365 * 24 * 3600
    # Seconds after which in-app notices, other deliveries, and the events that no page shows are removed.
    notice_age: int = 90 * 24 * 3600
    delivery_age: int = 30 * 24 * 3600
    event_age: int = 180 * 24 * 3600
    # Emails about uploads and webhooks that one person gets a day (in UTC); 0 is no limit.
    emails_per_day: int = 50
    # How often staff get a report: "daily", "weekly" (on Mondays) or "off"; and the hour from which it is
    # made.
    report: str = "weekly"
    report_hour: int = 6
    # Originals that are read again each night, with their renditions, to compare their hashes; 0 is none.
    audit_sample: int = 100
    # The dotted path of a function that returns the email address for a person's notices, or "" if the person
    # has no verified one. By default it is the address of the user.
    notice_address: str = ""
    # Whether webhooks may go to loopback, private and other addresses of the local network.
    webhook_private_addresses: bool = False
    # Whether the tokens of Django REST framework are those of an older version of this site: their digests
    # are taken over, and their plain keys are erased.
    take_over_tokens: bool = False
    # The queues of thumbnails, of sizes, of notices, and of work that no person waits for; "" is the default
    # queue of the project. A worker with one process consumes the last.
    thumbnails_queue: str = ""
    renditions_queue: str = ""
    notifications_queue: str = ""
    bulk_queue: str = ""
    # The public address of the site; links in mail begin with it.
    site_url: str = "http://127.0.0.1:8000"
    # How renditions go out: "django" sends them itself, "accel" has nginx send them (`X-Accel-Redirect`).
    delivery: str = "django"
    # The origins whose pages may use pictures in a canvas, in scripts, and with an embedder policy, such as
    # "https://shop.example"; "*" is all.
    picture_origins: tuple[str, ...] = ()
    # The origin of permanent URLs, such as "https://media.photos.example"; "" is the site's own.
    media_host: str = ""
    # The addresses at which each nginx removes a path from its cache, such as "http://127.0.0.1:8082".
    nginx_purge_url: tuple[str, ...] = ()
    # The Redis that counts uploads for the rate limits, and carries wake-ups to event streams.
    redis_url: str = "redis://127.0.0.1:6379/0"
    # A file with the certificates of private authorities, of which one signed that of `rediss://`.
    redis_ca_file: str = ""
    # The beginning of all keys and channels, so that sites can share a Redis.
    redis_key_prefix: str = ""
    # Whether processes count for `/metrics`. It also shows what it queries at each scrape.
    metrics: bool = True
    # Seconds between the heartbeats of a process, which report its presets; 0 turns them off. The folder of
    # the files that show a probe that a worker or beat is alive; without a folder, there are none.
    heartbeat: int = 20
    alive_dir: str = ""
    # The token that opens `/metrics`; without one, only requests from the same machine are answered.
    metrics_token: str = ""
    # The fields of each preset, by its name. `docs/presets.md` describes each field.
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=_default_presets)


class UnknownPreset(ValueError):
    """The settings have no preset of this name, or the field of a model does not offer it."""


def defaults() -> dict[str, Any]:
    """Return every key of `DARKROOM` with its default."""
    return {name.upper(): value for name, value in asdict(Settings()).items()}


def read(given: Mapping[str, Any]) -> Settings:
    """Return the settings that `DARKROOM` gives; `problems` reports invalid ones."""
    return Settings(**{key.lower(): given[key] for key in defaults() if key in given})


def problems() -> list[str]:
    """Return a sentence for each key of `DARKROOM` that is unknown or has a value of the wrong type."""
    given, known = _given(), defaults()
    unknown = [key for key in given if key not in known]
    wrong = [
        f"DARKROOM[{key!r}] is {given[key]!r}; it must be {wanted}."
        for key in known
        if key in given and (wanted := _wanted(known[key], given[key]))
    ]
    return [f"DARKROOM has no key {key!r}. docs/settings.md lists the keys." for key in unknown] + wrong


def _given() -> Mapping[str, Any]:
    given: Mapping[str, Any] = getattr(settings, "DARKROOM", {})
    return given


def _wanted(default: Any, value: Any) -> str:
    """Return what a value must be to replace the default, or "" if it is valid."""
    match default:
        case bool():
            return "" if isinstance(value, bool) else "True or False"
        case int() | float():
            right = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            return "" if right else "a number, 0 or more"
        case tuple():
            return "" if isinstance(value, list | tuple) else "a list of strings"
        case str():
            return "" if isinstance(value, str) else "a string"
    return "" if isinstance(value, Mapping) else "a mapping from names to fields"


@cache
def darkroom() -> Settings:
    """Return the settings."""
    return read(_given())


@cache
def presets() -> tuple[Preset, ...]:
    """Return the configured presets, largest first, so that smaller ones can be made from larger."""
    credited = darkroom().keep_credit is True
    parsed = [replace(preset, keep_credit=credited) for preset in parse_presets(darkroom().presets)]
    return tuple(sorted(parsed, key=lambda preset: preset.width or preset.height or 0, reverse=True))


def preset_named(name: str) -> Preset | None:
    """Return the configured preset of that name, or None."""
    return next((preset for preset in presets() if preset.name == name), None)


def known_preset(name: str, *, among: Sequence[str] = ()) -> Preset:
    """Return the configured preset of that name; `among` are the only allowed names, unless it is empty.

    Raises `UnknownPreset` with a sentence that lists the allowed names.
    """
    known = {preset.name: preset for preset in presets() if not among or preset.name in among}
    if name not in known:
        raise UnknownPreset(f"There is no preset {name!r}. Known presets: {', '.join(sorted(known))}.")
    return known[name]


def resampler() -> Resampler:
    """Return the resampler of this process: the site's, or the best that is installed."""
    return next((name for name in RESAMPLERS if name == darkroom().resampler), INSTALLED)


def accepted_resamplers() -> tuple[Resampler, ...]:
    """Return the resamplers whose renditions are current.

    Without a setting these are all: a host that has another resampler than the rest of its site must not
    render their work again.
    """
    return (resampler(),) if darkroom().resampler else RESAMPLERS


def renderer_options() -> Options:
    """Return how this process starts its renderers."""
    now = darkroom()
    known: dict[str, Sandbox] = {name: name for name in SANDBOXES}
    # A system check refuses an unknown value.
    sandbox = known.get(now.renderer_sandbox, "required")
    return Options(memory=now.worker_memory, sandbox=sandbox, niceness=now.renderer_niceness)


def limits() -> Limits:
    """Return the accepted formats and the limits of a file."""
    now = darkroom()
    return Limits(
        pixels=now.max_pixels,
        side=now.max_side,
        animation_pixels=now.max_animation_pixels,
        frames=now.max_frames,
        profile_bytes=now.max_profile_bytes,
        text_bytes=now.max_text_bytes,
        formats=formats.INSTALLED + tuple(name.upper() for name in now.extra_formats),
    )


@receiver(setting_changed)
def forget(*, setting: str, **kwargs: Any) -> None:
    """Read the settings again after a test has overridden them."""
    if setting == "DARKROOM":
        darkroom.cache_clear()
        presets.cache_clear()
