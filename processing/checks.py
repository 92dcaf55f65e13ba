"""System checks: invalid settings stop the start-up with a clear message."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.files.storage import storages
from django.core.files.storage.handler import InvalidStorageError
from django.db import DEFAULT_DB_ALIAS, connections

from processing import conf
from processing.conf import darkroom
from processing.images.geometry.resampling import INSTALLED
from processing.images.reading.formats import can_encode
from processing.images.reading.limits import EXTRA_FORMATS
from processing.presets import RESAMPLERS, InvalidPreset, parse_preset
from processing.renderer import confinement
from processing.renderer.options import SANDBOXES
from processing.storages.media import ALIAS, folder, media


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
