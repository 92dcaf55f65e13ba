"""Which uploads are to be processed again, and what that will take."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db.models import Avg, Count, F, Q, QuerySet

from processing import conf, renditions
from processing.models import Original, Rendition
from processing.presets import Preset, Recipe
from uploads.models import Step, Upload

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_HASH = re.compile(r"[0-9a-f]{8,64}")
# How many of the latest steps tell how long one takes.
_SAMPLE = 400
# How many uploads are read at once.
_BATCH = 500


class NothingMatches(Exception):
    """A name on the command line belongs to nothing: no upload's id, no content hash, no person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was asked for: `names` are ids or content hashes; the kinds add up, the rest narrows."""

    names: tuple[str, ...] = ()
    everything: bool = False
    failed: bool = False
    missing: bool = False
    stale: bool = False
    preset: Preset | None = None
    owner: str | None = None
    since: datetime | None = None
    limit: int | None = None

    @property
    def presets(self) -> tuple[Preset, ...]:
        """Return the presets in question."""
        return (self.preset,) if self.preset else conf.presets()

    def uploads(self) -> Iterator[Upload]:
        """Return the uploads asked for, oldest first, each with its original and what that has.

        Raises `NothingMatches` for a name that nothing has.
        """
        uploads = Upload.objects.filter(deleted_at=None)
        if self.owner is not None:
            uploads = uploads.filter(owner=_person(self.owner))
        if self.since is not None:
            uploads = uploads.filter(created_at__gte=self.since)
        named = uploads.filter(self._named())
        if not (self.missing or self.stale):
            return islice(_in_order(named), self.limit)
        keys = set(named.values_list("pk", flat=True))
        found = (
            upload for upload in _in_order(uploads) if upload.pk in keys or self._is_due(upload.original)
        )
        return islice(found, self.limit)

    def _named(self) -> Q:
        """Return the condition on uploads that they are asked for whatever their originals have."""
        total = Q(pk__in=[])
        for name in self.names:
            total |= _named(name)
        if self.everything:
            total |= Q(pk__isnull=False)
        if self.failed:
            total |= Q(status=Upload.Status.FAILED)
        return total

    def _is_due(self, original: Original) -> bool:
        """Tell whether an original lacks a rendition, or has one of an older recipe, as is asked for."""
        if self.missing and renditions.missing(original, self.presets):
            return True
        if not self.stale:
            return False
        unwanted = [] if self.preset else renditions.unwanted_rows(original)
        return bool(unwanted or renditions.stale_rows(original, self.presets))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take; bytes and seconds are None where nothing tells."""

    uploads: int
    renditions: int
    bytes: int | None
    seconds: float | None


def estimate(*, uploads: Iterable[Upload], presets: Iterable[Preset], force: bool) -> Estimate:
    """Return what rendering these uploads takes, judged by what is stored and took place before.

    Uploads of the same original count once: its renditions are shared.
    """
    presets = tuple(presets)
    count, recipes, seen = 0, Counter[tuple[str, str]](), set()
    for upload in uploads:
        count += 1
        if upload.original_id not in seen:
            seen.add(upload.original_id)
            recipes.update(
                (recipe.preset.name, recipe.format) for recipe in todo(upload.original, presets, force=force)
            )
    return Estimate(count, recipes.total(), _bytes_of(recipes), _seconds_of(recipes.total()))


def todo(original: Original, presets: Iterable[Preset], *, force: bool) -> list[Recipe]:
    """Return the recipes that reprocessing renders: with `force` those of `presets` whatever is stored."""
    lacking = renditions.missing(original, conf.presets())
    forced = renditions.wanted(original, presets) if force else []
    return list(dict.fromkeys([*lacking, *forced]))


def _named(name: str) -> Q:
    condition = _condition_of(name.lower())
    if not Upload.objects.filter(condition, deleted_at=None).exists():
        raise NothingMatches(f"{name} is no upload's id and no content hash (8 or more of its digits).")
    return condition


def _condition_of(name: str) -> Q:
    """Return the condition of an id or a hash; 32 digits may be either."""
    condition = Q(original__content_hash__startswith=name) if _HASH.fullmatch(name) else Q(pk__in=[])
    with suppress(ValueError):
        condition |= Q(pk=uuid.UUID(name))
    return condition


def _person(name: str) -> User:
    try:
        return get_user_model().objects.get_by_natural_key(name)
    except get_user_model().DoesNotExist as error:
        raise NothingMatches(f"There is no person {name!r}.") from error


def _in_order(uploads: QuerySet[Upload]) -> Iterator[Upload]:
    """Return the uploads oldest first, read in parts, each with its original and what that has."""
    return (
        uploads.select_related("original", "owner")
        .prefetch_related("original__renditions", "original__focuses")
        .order_by("created_at", "pk")
        .iterator(_BATCH)
    )


def _bytes_of(recipes: Counter[tuple[str, str]]) -> int | None:
    rows = Rendition.objects.order_by().values_list("preset", "format").annotate(size=Avg("byte_size"))
    sizes = {(preset, format): size for preset, format, size in rows}
    if not all(recipe in sizes for recipe in recipes):
        return None
    return int(sum(sizes[recipe] * count for recipe, count in recipes.items()))


def _seconds_of(count: int) -> float | None:
    """Return the time that so many renditions take, by how long the latest steps took for theirs."""
    if not count:
        return 0.0
    meanwhile = Q(upload__original__renditions__rendered_at__range=(F("started_at"), F("finished_at")))
    steps = Step.objects.filter(finished_at__isnull=False).annotate(
        rendered=Count("upload__original__renditions", filter=meanwhile)
    )
    latest = [step for step in steps.order_by("-id")[:_SAMPLE] if step.rendered and step.finished_at]
    if not latest:
        return None
    took = sum((step.finished_at - step.started_at).total_seconds() for step in latest if step.finished_at)
    return round(took * count / sum(step.rendered for step in latest), 1)
