"""Statistics from the database: counts, durations, and what waits or was given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median

from django.db.models import Count, Min, Q, QuerySet

from processing import clock
from processing.originals import OriginalLost
from uploads.models import Delivery, Upload

# The number of recent uploads from which durations are computed; more would hardly change the result.
_SAMPLE = 2000


@dataclass(frozen=True, slots=True)
class Throughput:
    """How many uploads became ready, and the seconds from sending to ready (None without uploads)."""

    minute: int
    hour: int
    day: int
    median: float | None
    slow: float | None


@dataclass(frozen=True, slots=True)
class Notices:
    """How many deliveries of a channel wait, and how many were given up."""

    channel: str
    waiting: int
    given_up: int

    @property
    def name(self) -> str:
        """Return the channel's display name."""
        return str(Delivery.Channel(self.channel).label)


def uploads_by_status() -> dict[str, int]:
    """Return the number of uploads for each status."""
    live = Upload.objects.filter(deleted_at=None).order_by()
    counts = dict(live.values_list("status").annotate(count=Count("*")))
    return {status: counts.get(status, 0) for status in Upload.Status.values}


def oldest_waiting_at() -> datetime | None:
    """Return when the oldest unfinished upload was sent, or None if there is none."""
    waiting = Upload.objects.filter(deleted_at=None, status__in=Upload.UNFINISHED)
    oldest: datetime | None = waiting.aggregate(oldest=Min("created_at"))["oldest"]
    return oldest


def lost_originals() -> int:
    """Return the number of originals whose file was found to be missing or damaged."""
    lost = Upload.objects.filter(deleted_at=None, status=Upload.Status.FAILED, error_code=OriginalLost.code)
    return lost.order_by().values("original").distinct().count()


def failures() -> QuerySet[Upload]:
    """Return the failed uploads, newest first."""
    return Upload.objects.filter(deleted_at=None, status=Upload.Status.FAILED).select_related(
        "original", "owner"
    )


def throughput() -> Throughput:
    """Return how many uploads became ready recently, and the durations of the last hour.

    `slow` is the 95th percentile by the nearest-rank method.
    """
    now = clock.now()
    minute, hour, day = (now - timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))
    ready = Upload.objects.filter(deleted_at=None, ready_at__gt=day).order_by()
    counts = ready.aggregate(
        minute=Count("ready_at", filter=Q(ready_at__gt=minute)),
        hour=Count("ready_at", filter=Q(ready_at__gt=hour)),
        day=Count("ready_at"),
    )
    latest = ready.filter(ready_at__gt=hour).order_by("-ready_at")[:_SAMPLE]
    times = latest.values_list("created_at", "replaced_at", "ready_at")
    seconds = sorted(
        (end - (replaced_at or created_at)).total_seconds() for created_at, replaced_at, end in times if end
    )
    return Throughput(
        **counts,
        median=median(seconds) if seconds else None,
        slow=seconds[ceil(0.95 * len(seconds)) - 1] if seconds else None,
    )


def notices() -> list[Notices]:
    """Return the waiting and abandoned notices by channel.

    Notices for disabled endpoints do not count as waiting.
    """
    counts = (
        Delivery.objects.filter(delivered_at=None)
        .order_by("channel")
        .values("channel")
        .annotate(
            waiting=Count("pk", filter=Q(failed_at=None, endpoint__disabled_at=None)),
            given_up=Count("pk", filter=Q(failed_at__isnull=False)),
        )
    )
    by_channel = {row["channel"]: Notices(**row) for row in counts}
    return [by_channel.get(channel, Notices(channel, 0, 0)) for channel in Delivery.Channel.values]
