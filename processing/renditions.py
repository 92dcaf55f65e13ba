"""Renditions: wanted minus stored is missing, and only missing renditions are rendered."""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence

from django.core.files.base import ContentFile

from processing import clock, conf
from processing.fingerprint import fingerprint, rendition_key
from processing.garbage import pending_files
from processing.images.encoding.encoding import Encoded
from processing.models import Original, Rendition
from processing.presets import AUTOMATIC, Preset, Recipe, Resampler
from processing.renderer.rendering import RemoteSource
from processing.spans import span
from processing.storages.media import call_storage, media, require_storage

logger = logging.getLogger(__name__)


def wanted(original: Original, presets: Iterable[Preset]) -> list[Recipe]:
    """Return the recipes by which the original is to be rendered.

    A cropping preset is wanted again for each focal point that an owner has set.
    """
    transparent = bool(original.transparent)
    points = [AUTOMATIC, *sorted(focus.point for focus in original.focuses.all())]
    return [
        Recipe(preset, format, point)
        for preset in presets
        for point in (points if preset.mode == "fill" else [AUTOMATIC])
        for format in preset.formats_for(transparent=transparent)
    ]


def missing(original: Original, presets: Iterable[Preset]) -> list[Recipe]:
    """Return the recipes whose rendition is not stored, is stale, or is marked `redo`."""
    stored = {
        (row.preset, row.format, row.focus, row.fingerprint)
        for row in original.renditions.all()
        if not row.redo
    }
    return [
        recipe
        for recipe in wanted(original, presets)
        if not any((*_name(recipe), digest) in stored for digest in _accepted(recipe))
    ]


def missing_for(original: Original, point: str) -> list[Recipe]:
    """Return the missing recipes of an upload with the focal point `point`, `AUTOMATIC` included."""
    recipes = missing(original, conf.presets())
    return [recipe for recipe in recipes if recipe.focus in {AUTOMATIC, point}]


def stale_rows(original: Original, presets: Iterable[Preset]) -> list[Rendition]:
    """Return the rows rendered by an older recipe of these presets, or not by the site's resampler."""
    now: dict[tuple[str, str], list[str]] = {
        (preset.name, format): _accepted(Recipe(preset, format))
        for preset in presets
        for format in preset.all_formats
    }
    rows = original.renditions.all()
    return [
        row for row in rows if row.fingerprint not in now.get((row.preset, row.format), [row.fingerprint])
    ]


def unwanted_rows(original: Original) -> list[Rendition]:
    """Return the rows of presets, formats and focal points that are no longer wanted."""
    recipes = wanted(original, conf.presets())
    keep = {(recipe.preset.name, recipe.format, recipe.focus) for recipe in recipes}
    return [row for row in original.renditions.all() if (row.preset, row.format, row.focus) not in keep]


def report_resampler() -> None:
    """Log a warning if the site has current renditions of another resampler than this host's."""
    here = conf.resampler()
    for other in conf.accepted_resamplers():
        if other != here and _has_renditions_of(other):
            logger.warning(
                "This host resamples with %r, but the site has renditions by %r. They stay as they are. To "
                "have one resampler for the site, set RESAMPLER on every host and run `reprocess --stale`.",
                here,
                other,
            )


def _has_renditions_of(resampler: Resampler) -> bool:
    return any(
        Rendition.objects.filter(
            preset=preset.name, fingerprint=fingerprint(Recipe(preset, format), resampler=resampler)
        ).exists()
        for preset in conf.presets()
        for format in preset.all_formats
    )


def preset_fingerprints() -> dict[str, str]:
    """Return a fingerprint of each configured preset: a digest of those of its formats.

    Two processes have the same one if they accept the same renditions as current.
    """
    return {
        preset.name: _digest([_accepted(Recipe(preset, format)) for format in sorted(preset.all_formats)])
        for preset in conf.presets()
    }


def fingerprint_of_all() -> str:
    """Return a fingerprint of all configured presets together."""
    return _digest(preset_fingerprints())


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _name(recipe: Recipe) -> tuple[str, str, str]:
    return recipe.preset.name, recipe.format, recipe.focus


def _accepted(recipe: Recipe) -> list[str]:
    """Return the fingerprints of the recipe's current renditions."""
    return [fingerprint(recipe, resampler=name) for name in conf.accepted_resamplers()]


def store(original: Original, recipe: Recipe, encoded: Encoded) -> Rendition:
    """Write a rendition's file and return its unsaved row.

    Raises `StorageUnavailable`.
    """
    key = key_of(original, recipe)
    with span("write", kind="rendition", preset=recipe.preset.name, format=recipe.format):
        call_storage(lambda: media.save(key, ContentFile(encoded.data)))
    return Rendition(
        original=original,
        preset=recipe.preset.name,
        format=recipe.format,
        focus=recipe.focus,
        fingerprint=fingerprint(recipe, resampler=conf.resampler()),
        key=key,
        width=encoded.width,
        height=encoded.height,
        byte_size=len(encoded.data),
        frames=encoded.frames,
        frames_left_out=encoded.frames_left_out,
        digest=hashlib.sha256(encoded.data).hexdigest(),
        rendered_at=clock.now(),
    )


def flag(row: Rendition) -> None:
    """Record that a rendition's file is lost, so that the next processing renders it again.

    Raises `StorageUnavailable` if the whole storage is missing.
    """
    require_storage()
    Rendition.objects.filter(pk=row.pk).update(redo=True)


def key_of(original: Original, recipe: Recipe) -> str:
    """Return the key of the file that this host renders."""
    return rendition_key(public_key=original.public_key, recipe=recipe, resampler=conf.resampler())


def announce(original: Original, recipes: Iterable[Recipe]) -> None:
    """Name the files of the recipes in the database before they are written."""
    pending_files.announce([key_of(original, recipe) for recipe in recipes])


def render(original: Original, source: RemoteSource, recipes: Sequence[Recipe]) -> list[Rendition]:
    """Render and store each recipe, largest first; return the unsaved rows."""
    encoded = source.render_all(recipes, focus=original.focus, threads=conf.darkroom().encoder_threads)
    return [store(original, recipe, one) for recipe, one in zip(recipes, encoded, strict=True)]


def record(original: Original, rows: Sequence[Rendition], presets: Sequence[Preset]) -> None:
    """Save the rows in place of older ones, whose files are removed later.

    Call this in a transaction that has locked the original's row. Raises `FileRemoved`.
    """
    pending_files.settle([row.key for row in rows])
    before = list(original.renditions.filter(preset__in=[preset.name for preset in presets]))
    Rendition.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["original", "preset", "format", "focus"],
        update_fields=[
            "fingerprint", "key", "width", "height", "byte_size", "frames", "frames_left_out", "digest",
            "redo", "rendered_at",
        ],
    )  # fmt: skip
    after = set(original.renditions.values_list("key", flat=True))
    pending_files.discard([row.key for row in before if row.key not in after])


def drop_unwanted(original: Original, presets: Iterable[Preset]) -> None:
    """Delete the rows that are no longer wanted; their files are removed later.

    Call this in a transaction. Rows of configured presets outside `presets` stay, because another step
    replaces them.
    """
    others = {preset.name for preset in conf.presets()} - {preset.name for preset in presets}
    rows = [row for row in unwanted_rows(original) if row.preset not in others]
    Rendition.objects.filter(pk__in=[row.pk for row in rows]).delete()
    pending_files.discard([row.key for row in rows])


def drop_all(original: Original) -> None:
    """Delete all rows of an original that may not be shown; their files are removed later.

    Call this in a transaction that has locked the original's row.
    """
    keys = list(original.renditions.values_list("key", flat=True))
    original.renditions.all().delete()
    pending_files.discard(keys)
