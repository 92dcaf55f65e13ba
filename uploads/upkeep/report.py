"""The report to staff: what happened in a day or a week, made once for each period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from math import ceil
from statistics import median
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from processing import clock
from processing.conf import darkroom
from uploads.models import Event, NightlyFigures, Quota, Report, Step
from uploads.notices import reports

# Reports are kept for a year, and so are the figures of each night.
_KEPT = timedelta(days=400)
# The number of recent steps of each name from which durations are computed.
_SAMPLE = 2000
# The number of reasons and of owners that a report lists.
_LISTED = 10


def make_due() -> None:
    """Make the report of the latest period that is over, with its mails, and queue the mails that are due.

    Any number of runs make one report for each period, and one mail for each person.
    """
    period = _period_over()
    if period and not Report.objects.filter(period=period[0], first_day=period[1]).exists():
        _make(*period)
    reports.publish_due()


def _period_over() -> tuple[Report.Period, date, date] | None:
    """Return the latest period that is over, or None if there is nothing to report yet."""
    chosen, now = darkroom().report, timezone.localtime(clock.now())
    if chosen not in Report.Period.values or now.hour < darkroom().report_hour:
        return None
    period = Report.Period(chosen)
    days = 1 if period == Report.Period.DAILY else 7
    # A week ends on Sunday.
    last_day = now.date() - timedelta(days=1 if days == 1 else now.isoweekday())
    # A new site, or a new version, has no figures of that time.
    if not NightlyFigures.objects.filter(day__lte=last_day).exists():
        return None
    return period, last_day - timedelta(days=days - 1), last_day


@transaction.atomic
def _make(period: Report.Period, first_day: date, last_day: date) -> None:
    report, created = Report.objects.get_or_create(
        period=period,
        first_day=first_day,
        defaults={"last_day": last_day, "figures": _figures(first_day, last_day)},
    )
    if created:
        reports.address(report)
        Report.objects.filter(last_day__lt=last_day - _KEPT).delete()


def _figures(first_day: date, last_day: date) -> dict[str, Any]:
    begins_at, ends_at = _start_of(first_day), _start_of(last_day + timedelta(days=1))
    return {
        **_events(begins_at, ends_at),
        **_storage(first_day),
        "steps": list(_steps(begins_at, ends_at)),
        "near_limit": list(_near_limit()),
    }


def _start_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _events(begins_at: datetime, ends_at: datetime) -> dict[str, Any]:
    """Return the numbers of uploads by result, and the reasons of failures, the most frequent first."""
    events = Event.objects.filter(created_at__gte=begins_at, created_at__lt=ends_at).order_by()
    counts = dict(events.values_list("name").annotate(number=Count("pk")))
    failures = events.filter(name=Event.Name.FAILED).values_list("data__code")
    reasons = failures.annotate(number=Count("pk")).order_by("-number", "data__code")
    return {
        "received": counts.get(Event.Name.RECEIVED, 0),
        "ready": counts.get(Event.Name.READY, 0),
        "failed": counts.get(Event.Name.FAILED, 0),
        "failures": [{"code": code or "", "number": number} for code, number in reasons[:_LISTED]],
    }


def _storage(first_day: date) -> dict[str, Any]:
    """Return the latest figures, and the bytes by which the storage has grown (None if that is unknown)."""
    latest = NightlyFigures.objects.order_by("-day")[0]
    before = NightlyFigures.objects.filter(day__lte=first_day).order_by("-day").first()
    if before is None:
        before = NightlyFigures.objects.order_by("day").first()
    known = before is not None and before.day < latest.day
    return {
        "images": latest.images,
        "bytes_of_originals": latest.bytes_of_originals,
        "bytes_of_renditions": latest.bytes_of_renditions,
        "grown": _bytes(latest) - _bytes(before) if known and before else None,
        "unknown_files": latest.unknown_files,
        "lost_originals": latest.lost_originals,
        "sampled": latest.sampled,
        "broken": len(latest.broken),
    }


def _bytes(figures: NightlyFigures) -> int:
    return figures.bytes_of_originals + figures.bytes_of_renditions


def _steps(begins_at: datetime, ends_at: datetime) -> Iterator[dict[str, Any]]:
    """Yield the seconds that each step took: median, 95th percentile (nearest rank) and maximum."""
    finished = Step.objects.filter(finished_at__gte=begins_at, finished_at__lt=ends_at)
    for name in Step.Name.values:
        latest = finished.filter(name=name).order_by("-finished_at")[:_SAMPLE]
        times = latest.values_list("started_at", "finished_at")
        seconds = sorted(max((end - start).total_seconds(), 0) for start, end in times if end)
        if seconds:
            slow = seconds[ceil(0.95 * len(seconds)) - 1]
            yield {"name": name, "median": median(seconds), "slow": slow, "slowest": seconds[-1]}


def _near_limit() -> Iterator[dict[str, Any]]:
    """Yield the owners who have used nine tenths of their quota, by images or by bytes."""
    limits = Quota.objects.annotate(
        image_limit=Coalesce("max_images", darkroom().quota_images),
        byte_limit=Coalesce("max_bytes", darkroom().quota_bytes),
    )
    full = Q(image_limit__gt=0, images__gte=F("image_limit") * 0.9) | Q(
        byte_limit__gt=0, bytes__gte=F("byte_limit") * 0.9
    )
    for quota in limits.filter(full).select_related("owner").order_by("-bytes")[:_LISTED]:
        yield {
            "owner": str(quota.owner),
            "images": quota.images,
            "image_limit": quota.image_limit,
            "bytes": quota.bytes,
            "byte_limit": quota.byte_limit,
        }
