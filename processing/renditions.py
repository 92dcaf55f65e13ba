"""Renditions: wanted minus stored is what is missing, and only that is rendered."""

import hashlib
import logging
from collections.abc import Collection, Iterable, Sequence

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from processing import conf, originals
from processing.fingerprint import fingerprint, rendition_key
from processing.images.encoding.encoding import Encoded
from processing.images.source import Source
from processing.models import Original, Rendition
from processing.presets import AUTOMATIC, Preset, Recipe
from processing.storages.media import StorageUnavailable, call_storage, media

logger = logging.getLogger(__name__)


def wanted(original: Original, presets: Iterable[Preset]) -> list[Recipe]:
    """Return the recipes by which the original is to be rendered.

    A preset that crops is wanted once more for each point that somebody wants it to look at.
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
    """Return the recipes whose rendition is not stored, is stale, or is to be done again."""
    stored = {
        (row.preset, row.format, row.focus, row.fingerprint)
        for row in original.renditions.all()
        if not row.redo
    }
    return [
        recipe
        for recipe in wanted(original, presets)
        if (recipe.preset.name, recipe.format, recipe.focus, fingerprint(recipe)) not in stored
    ]


def missing_for(original: Original, point: str) -> list[Recipe]:
    """Return what is missing of what is shown to somebody who wants crops to look at `point`."""
    recipes = missing(original, conf.presets())
    return [recipe for recipe in recipes if recipe.focus in {AUTOMATIC, point}]


def stale_rows(original: Original, presets: Iterable[Preset]) -> list[Rendition]:
    """Return the rows that an older recipe of these presets made."""
    now: dict[tuple[str, str], str] = {
        (preset.name, format): fingerprint(Recipe(preset, format))
        for preset in presets
        for format in preset.all_formats
    }
    rows = original.renditions.all()
    return [row for row in rows if now.get((row.preset, row.format), row.fingerprint) != row.fingerprint]


def unwanted_rows(original: Original) -> list[Rendition]:
    """Return the rows of presets, formats and focuses that are no longer wanted."""
    recipes = wanted(original, conf.presets())
    keep = {(recipe.preset.name, recipe.format, recipe.focus) for recipe in recipes}
    return [row for row in original.renditions.all() if (row.preset, row.format, row.focus) not in keep]


def store(original: Original, recipe: Recipe, encoded: Encoded) -> Rendition:
    """Write a rendition's file and return its row, not yet saved.

    Raises `StorageUnavailable`.
    """
    key = rendition_key(public_key=original.public_key, recipe=recipe)
    call_storage(lambda: media.save(key, ContentFile(encoded.data)))
    return Rendition(
        original=original,
        preset=recipe.preset.name,
        format=recipe.format,
        focus=recipe.focus,
        fingerprint=fingerprint(recipe),
        key=key,
        width=encoded.width,
        height=encoded.height,
        byte_size=len(encoded.data),
        frames=encoded.frames,
        frames_left_out=encoded.frames_left_out,
        digest=hashlib.sha256(encoded.data).hexdigest(),
        rendered_at=timezone.now(),
    )


def render(original: Original, source: Source, recipes: Sequence[Recipe]) -> list[Rendition]:
    """Render and store each recipe, largest first; return the rows, not yet saved."""
    encoded = source.render_all(recipes, focus=original.focus, threads=conf.darkroom().encoder_threads)
    return [store(original, recipe, one) for recipe, one in zip(recipes, encoded, strict=True)]


def record(original: Original, rows: Sequence[Rendition], presets: Sequence[Preset]) -> list[str]:
    """Save the rows in place of older ones; return the keys of files that no row names any more.

    Call it in a transaction that holds the original's row, and delete the files once it has committed.
    """
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
    return [row.key for row in before if row.key not in after]


def delete_unused(original: Original, keys: Collection[str]) -> None:
    """Delete files whose rows are gone, unless they are wanted again under the same keys.

    A focus comes back as easily as it went. Then a row may name the file by now, or a worker may have
    written it just before it makes the row.
    """
    if not keys:
        return
    with transaction.atomic():
        # Nobody changes meanwhile what is wanted, nor makes a row.
        now = Original.objects.select_for_update().filter(content_hash=original.content_hash).first()
        recipes = wanted(now, conf.presets()) if now else []
        in_use = {rendition_key(public_key=original.public_key, recipe=recipe) for recipe in recipes}
        in_use |= set(Rendition.objects.filter(key__in=keys).values_list("key", flat=True))
        delete_files(key for key in keys if key not in in_use)


def delete_files(keys: Iterable[str]) -> None:
    """Delete files that no row names; one that cannot be reached is left for `audit`."""
    for key in keys:
        try:
            originals.delete_file(key)
        except StorageUnavailable as error:
            logger.warning("Left %s behind: %s", key, error)


def drop_unwanted(original: Original, presets: Iterable[Preset]) -> list[str]:
    """Delete the rows that are no longer wanted; return their files' keys.

    Those of configured presets beyond `presets` stay: another step has their successors.
    """
    others = {preset.name for preset in conf.presets()} - {preset.name for preset in presets}
    rows = [row for row in unwanted_rows(original) if row.preset not in others]
    Rendition.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return [row.key for row in rows]
