"""The sweeper restarts stalled uploads and notices.

The broker may lose messages, but the database knows what is unfinished.
"""

import logging
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import NamedTuple

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from processing import clock
from processing.models import Lease
from uploads import pipeline
from uploads.broker import BrokerAway, queue_depths, queues
from uploads.models import Step, Upload
from uploads.notices import email, outbox, schedule

logger = logging.getLogger(__name__)


class Lane(NamedTuple):
    """The kinds of queue through which a published part of a chain passes, and the uploads it belongs to."""

    queues: tuple[str, ...]
    uploads: Q


THUMBNAILS = Lane(("thumbnails",), Q(bulk=False, next_step=pipeline.THUMBNAILS))
SIZES = Lane(("renditions", "notifications"), Q(bulk=False, next_step=pipeline.SIZES))
BULK = Lane(("bulk",), Q(bulk=True))
LANES = (THUMBNAILS, SIZES, BULK)

# An upload that moved within this time may be between two queues.
_IDLE = timedelta(seconds=5)
# An upload counts as lost if another one that was queued this much later is already done.
_OVERTAKEN = timedelta(minutes=5)
# The uploads, owners or notices of one sweep. Publishing takes about a millisecond each.
_BATCH = 1000


def sweep() -> int:
    """Restart every stalled upload and notice; return how many."""
    try:
        depths = queue_depths()
    except BrokerAway as error:
        logger.warning("The broker is unavailable: %s", error)
        return 0
    waiting = {kind: depths[name] for kind, name in queues().items()}
    drained = [lane for lane in LANES if not any(waiting[kind] for kind in lane.queues)]
    uploads = list(standing_still(drained=drained).select_related("original")[:_BATCH])
    for upload in uploads:
        pipeline.restart(upload)
    begun = _start_held_back()
    email.gather()
    due = list(schedule.due(drained=not waiting["notifications"])[:_BATCH])
    for delivery in due:
        outbox.publish(delivery)
    if uploads or begun or due:
        logger.info("Restarted %s uploads and %s notices.", len(uploads) + begun, len(due))
    return len(uploads) + begun + len(due)


def standing_still(*, drained: Collection[Lane]) -> QuerySet[Upload]:
    """Return the stalled uploads, except those held back by `uploads_at_once`.

    `drained` holds the lanes whose queues are empty. An upload is stalled if it is bulk work that was never
    queued, if its lease has expired, if another attempt is due, or if it was overtaken. While the queues of
    its lane are empty, it is also stalled after `_IDLE` without progress.
    """
    now = clock.now()
    leases = Lease.objects.filter(original=OuterRef("original"))
    never_queued = Q(queued_at=None, bulk=True)
    dropped = Exists(leases.filter(expires_at__lte=now, expires_at__gt=OuterRef("queued_at")))
    due = Exists(leases.filter(next_attempt_at__lte=now, next_attempt_at__gt=OuterRef("queued_at")))
    in_no_queue = _any(lane.uploads for lane in drained)
    standing = never_queued | Q(dropped) | Q(due) | _overtaken(now) | (_idle(now) & in_no_queue)
    busy = Exists(leases.filter(Q(expires_at__gt=now) | Q(next_attempt_at__gt=now)))
    return Upload.objects.filter(standing, ~busy, status__in=Upload.UNFINISHED, deleted_at=None).order_by(
        F("queued_at").asc(nulls_first=True), "created_at"
    )


def _start_held_back() -> int:
    """Publish waiting uploads of owners below their limit; return how many."""
    people = pipeline.held_back().order_by("owner").values_list("owner", flat=True).distinct()
    return sum(sum(pipeline.start_next(person)) for person in people[:_BATCH])


def _idle(now: datetime) -> Q:
    moved = Step.objects.filter(
        Q(started_at__gt=now - _IDLE) | Q(finished_at__gt=now - _IDLE), upload=OuterRef("pk")
    )
    return Q(~Exists(moved), queued_at__lt=now - _IDLE)


def _overtaken(now: datetime) -> Q:
    """Return the condition for uploads behind which a later one of their lane is already done.

    The time when thumbnails were published is not kept. It was after their upload was created. Times from
    before the clock was set back would make all uploads look overtaken.
    """
    done = ~Q(status__in=Upload.UNFINISHED)
    last = Upload.objects.aggregate(
        thumbnails=Max("created_at", filter=SIZES.uploads & Q(created_at__lte=now)),
        sizes=Max("queued_at", filter=SIZES.uploads & done & Q(queued_at__lte=now)),
        bulk=Max("queued_at", filter=BULK.uploads & done & Q(queued_at__lte=now)),
    )
    lanes = {"thumbnails": THUMBNAILS, "sizes": SIZES, "bulk": BULK}
    return _any(
        lanes[name].uploads & Q(queued_at__lt=moment - _OVERTAKEN) for name, moment in last.items() if moment
    )


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, Q(pk__in=[]))
