"""System checks: invalid settings stop the start-up with a clear message."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.files.storage import storages
from django.core.files.storage.handler import InvalidStorageError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import FileField

from processing import conf
from processing.conf import darkroom
from processing.images.geometry.resampling import INSTALLED
from processing.images.reading.formats import can_encode
from processing.images.reading.limits import EXTRA_FORMATS
from processing.presets import RESAMPLERS, InvalidPreset, parse_preset
from processing.renderer import confinement
from processing.renderer.options import SANDBOXES
from processing.storages import proxied
from processing.storages.media import ALIAS, Storage, folder, media
from processing.storages.memory import MemoryStorage


@checks.register
def check_settings(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each key of `DARKROOM` that is unknown or has a value of the wrong type."""
    return [checks.Error(sentence, id="darkroom.E007") for sentence in conf.problems()]


@checks.register
def check_storage(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each setting of the storage that cannot work. Nothing is asked over the network."""
    try:
        return [checks.Error(sentence, id="darkroom.E020") for sentence in media.misconfigured()]
    except InvalidStorageError as error:
        return [
            checks.Error(
                f"The storage of STORAGES cannot be loaded: {error}",
                hint="For a bucket, run: pip install 'django-darkroom[s3]'.",
                id="darkroom.E020",
            )
        ]
    except AttributeError:
        return [
            checks.Error(
                f"STORAGES[{ALIAS!r}] lacks what Darkroom needs of a storage.",
                hint="Name processing.storages.local.LocalStorage or processing.storages.s3.S3Storage.",
                id="darkroom.E020",
            )
        ]


@checks.register
def check_folder(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if each process would store files below the folder in which it was started."""
    if set(storages.backends) & {ALIAS} or folder() or hasattr(storages["default"], "is_missing"):
        return []
    return [
        checks.Error(
            "MEDIA_ROOT is empty, so Darkroom has no folder for its files.",
            hint="Set MEDIA_ROOT to a folder that the web server and the workers share.",
            id="darkroom.E032",
        )
    ]


@checks.register
def check_other_files(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each other field in Darkroom's storage, which replaces files of the same name."""
    if check_storage():
        return []
    return [
        checks.Error(
            f"{field} would store files in Darkroom's storage, where a file replaces another of its name.",
            hint=f"Give Darkroom a storage of its own: STORAGES[{ALIAS!r}].",
            obj=field,
            id="darkroom.E037",
        )
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, FileField) and cast("Storage", field.storage) == media
    ]


@checks.register
def check_delivery(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if no way to deliver files has this name, or nginx could not read the storage."""
    name = darkroom().delivery
    if name not in proxied.WAYS:
        return [
            checks.Error(
                f"DARKROOM['DELIVERY'] is {name!r}.",
                hint=f"Set it to {' or '.join(proxied.WAYS)}. docs/delivery.md explains both.",
                id="darkroom.E080",
            )
        ]
    if name == proxied.ACCEL and isinstance(media, MemoryStorage):
        return [
            checks.Error(
                "DARKROOM['DELIVERY'] is 'accel', but nginx cannot read files in the memory of a process.",
                hint="Set it to django, or store files in a folder or a bucket.",
                id="darkroom.E080",
            )
        ]
    return []


@checks.register
def check_origins(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each setting with an origin or an address that could not work."""
    now = darkroom()
    if not all(
        isinstance(text, str) for text in (now.media_host, *now.picture_origins, *now.nginx_purge_url)
    ):
        return []  # darkroom.E007 reports values of the wrong type.
    wrong = {
        "MEDIA_HOST": [now.media_host] if now.media_host and not _is_origin(now.media_host) else [],
        "PICTURE_ORIGINS": [
            text for text in now.picture_origins if text != conf.ANY_ORIGIN and not _is_origin(text)
        ],
        "NGINX_PURGE_URL": [text for text in now.nginx_purge_url if not _is_origin(text)],
    }
    return [
        checks.Error(
            f"DARKROOM[{name!r}] contains {text!r}, which is no origin.",
            hint="Write a scheme and a host, such as https://media.photos.example, and no path.",
            id="darkroom.E081",
        )
        for name, texts in wrong.items()
        for text in texts
    ]


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and text == f"{parts.scheme}://{parts.netloc}" != text[:8]
    except ValueError:
        return False


@checks.register
def check_time_zones(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if points in time would have no time zone."""
    if settings.USE_TZ:
        return []
    return [
        checks.Error(
            "USE_TZ is off, so points in time have no time zone.",
            hint="Set USE_TZ = True.",
            id="darkroom.E033",
        )
    ]


@checks.register
def check_sqlite(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if processes would get errors instead of waiting for each other."""
    database = connections[DEFAULT_DB_ALIAS].settings_dict
    immediate = database.get("OPTIONS", {}).get("transaction_mode") == "IMMEDIATE"
    if connections[DEFAULT_DB_ALIAS].vendor != "sqlite" or immediate:
        return []
    return [
        checks.Warning(
            "SQLite ends a transaction with an error while another process writes.",
            hint='Add "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20} to DATABASES["default"].',
            id="darkroom.W005",
        )
    ]


@checks.register
def check_presets(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each preset in the settings that cannot be rendered."""
    presets = darkroom().presets
    if not isinstance(presets, Mapping):
        return []
    if not presets:
        return [checks.Error("DARKROOM['PRESETS'] is empty. Define at least one preset.", id="darkroom.E001")]
    return [error for name, fields in presets.items() for error in _check_preset(name, fields)]


@checks.register
def check_formats(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each extra format that Darkroom cannot accept."""
    known = [name.lower() for name in EXTRA_FORMATS]
    return [
        checks.Error(
            f"DARKROOM['EXTRA_FORMATS']: unknown format {name!r}. Known formats: {', '.join(known)}.",
            id="darkroom.E003",
        )
        for name in darkroom().extra_formats
        if name not in known
    ]


@checks.register
def check_resampler(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for a resampler that is unknown or not installed here."""
    name = darkroom().resampler
    if name and name not in RESAMPLERS:
        return [
            checks.Error(
                f"DARKROOM['RESAMPLER'] is {name!r}; it must be 'simd', 'pillow' or empty.",
                id="darkroom.E012",
            )
        ]
    if name == "simd" and INSTALLED != "simd":
        return [
            checks.Error(
                "DARKROOM['RESAMPLER'] is 'simd', but cykooz-resizer is not installed on this host.",
                hint="Run deploy/install_resampler.sh, or set RESAMPLER to 'pillow' on every host.",
                id="darkroom.E013",
            )
        ]
    return []


@checks.register
def check_sandbox(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if the renderer's sandbox is unknown, or is required and not possible here."""
    wanted, missing = darkroom().renderer_sandbox, confinement.missing()
    if wanted not in SANDBOXES:
        return [
            checks.Error(
                f"DARKROOM['RENDERER_SANDBOX'] is {wanted!r}; it must be 'auto', 'required' or 'off'.",
                id="darkroom.E014",
            )
        ]
    if wanted == "required" and missing:
        return [
            checks.Error(
                f"DARKROOM['RENDERER_SANDBOX'] is 'required', but this system lacks: {', '.join(missing)}.",
                hint="Use Linux 5.13 or newer on x86-64 or aarch64, or set RENDERER_SANDBOX to 'auto'.",
                id="darkroom.E015",
            )
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
def check_confinement(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if decoders keep rights that a hostile file could use."""
    if sentence := confinement.weakness(darkroom().renderer_sandbox):
        return [
            checks.Warning(
                sentence,
                hint="Use Linux 5.13 or newer on x86-64 or aarch64, and RENDERER_SANDBOX 'required'.",
                id="darkroom.W004",
            )
        ]
    return []


def _check_preset(name: str, fields: Any) -> list[checks.CheckMessage]:
    try:
        preset = parse_preset(name=name, fields=fields)
    except (InvalidPreset, TypeError) as error:
        return [checks.Error(str(error), id="darkroom.E001")]
    return [
        checks.Error(
            f"Preset {name!r}: this installation of Pillow cannot write {format}.",
            hint="Install a Pillow build with that codec, or remove the format.",
            id="darkroom.E002",
        )
        for format in preset.formats
        if not can_encode(format)
    ]
