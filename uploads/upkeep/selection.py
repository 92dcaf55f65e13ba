"""Select the uploads to reprocess, and estimate the effort."""

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

from django.db.models import Avg, Count, F, Q, QuerySet

from processing import conf, renditions
from processing.models import Original, Rendition
from processing.presets import Preset, Recipe
from uploads.models import Step, Upload
from uploads.owners import owners

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_HASH = re.compile(r"[0-9a-f]{8,64}")
# The number of recent steps from which the duration is estimated.
_SAMPLE = 400
# The number of uploads that are read at once.
_BATCH = 500


class NothingMatches(Exception):
    """A name on the command line matches no upload, content hash or owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The uploads to reprocess: `names` are ids or content hashes.

    `names` and the kinds (`everything`, `failed`, `missing`, `stale`) add up. The other fields narrow the
    result.
    """

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
        """Return the selected presets."""
        return (self.preset,) if self.preset else conf.presets()

    def uploads(self) -> Iterator[Upload]:
        """Return the selected uploads, oldest first, with their originals, renditions and focal points.

        Raises `NothingMatches` for a name without a match.
        """
        uploads = Upload.objects.filter(deleted_at=None)
        if self.owner is not None:
            uploads = uploads.filter(owner=_owner(self.owner))
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
        """Return the condition for uploads that are selected regardless of their renditions."""
        total = Q(pk__in=[])
        for name in self.names:
            total |= _named(name)
        if self.everything:
            total |= Q(pk__isnull=False)
        if self.failed:
            total |= Q(status=Upload.Status.FAILED)
        return total

    def _is_due(self, original: Original) -> bool:
        """Return whether an original has missing or stale renditions, as selected."""
        if self.missing and renditions.missing(original, self.presets):
            return True
        if not self.stale:
            return False
        unwanted = [] if self.preset else renditions.unwanted_rows(original)
        return bool(unwanted or renditions.stale_rows(original, self.presets))


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated effort of a run; bytes and seconds are None if they are unknown."""

    uploads: int
    renditions: int
    bytes: int | None
    seconds: float | None


def estimate(*, uploads: Iterable[Upload], presets: Iterable[Preset], force: bool) -> Estimate:
    """Return the estimated effort of rendering these uploads, based on stored renditions and past steps.

    Uploads of the same original count once, because they share its renditions.
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
    """Return the recipes to render: all missing and stale ones, and with `force` all those of `presets`."""
    lacking = renditions.missing(original, conf.presets())
    forced = renditions.wanted(original, presets) if force else []
    return list(dict.fromkeys([*lacking, *forced]))


def _named(name: str) -> Q:
    condition = _condition_of(name.lower())
    if not Upload.objects.filter(condition, deleted_at=None).exists():
        raise NothingMatches(f"{name} is neither an upload id nor a content hash (8 or more digits of it).")
    return condition


def _condition_of(name: str) -> Q:
    """Return the condition for an id or a content hash; 32 digits may be either."""
    condition = Q(original__content_hash__startswith=name) if _HASH.fullmatch(name) else Q(pk__in=[])
    with suppress(ValueError):
        condition |= Q(pk=uuid.UUID(name))
    return condition


def _owner(name: str) -> User:
    owner: User | None = owners().find(name)
    if owner is None:
        raise NothingMatches(f"There is no owner {name!r}.")
    return owner


def _in_order(uploads: QuerySet[Upload]) -> Iterator[Upload]:
    """Yield the uploads in batches, oldest first, with their originals, renditions and focal points."""
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
    """Return the estimated seconds for this many renditions, based on the duration of recent steps."""
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
