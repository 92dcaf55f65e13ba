"""The database's clock was set back: times that were set before now lie in the future.

Without a correction, leases of dead workers would be held and lost messages would not be noticed for as long
as the clock was set back. Running this twice, or without need, changes nothing else.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from processing import leases
from processing.models import Lease
from uploads.models import Delivery, Endpoint, Step, Upload
from uploads.notices import email, endpoints, schedule

logger = logging.getLogger(__name__)


def correct(now: datetime) -> None:
    """Limit each time to the latest that it could have if it was set now."""
    logger.warning("The clock of the database was set back. Times that were set before are corrected.")
    unfinished = Upload.objects.filter(status__in=Upload.UNFINISHED)
    steps = Step.objects.filter(upload__in=unfinished)
    waiting = Delivery.objects.filter(delivered_at=None)
    _limit(Lease.objects.all(), expires_at=now + leases.duration())
    _limit(Lease.objects.all(), next_attempt_at=now + timedelta(seconds=leases.LONGEST_DELAY))
    _limit(unfinished, queued_at=now)
    _limit(steps, started_at=now)
    _limit(steps, finished_at=now)
    _limit(Upload.objects.exclude(deleted_at=None), deleted_at=now)
    _limit(waiting, queued_at=now)
    _limit(waiting, started_at=now)
    _limit(email.held(), created_at=now)
    for channel, delay in schedule.longest_delays().items():
        _limit(waiting.filter(channel=channel), next_attempt_at=now + delay)
    _limit(Endpoint.objects.all(), resting_until=now + timedelta(seconds=endpoints.LONGEST_REST))


def _limit(rows: QuerySet[Any], **latest: datetime) -> None:
    """Set the times that are later than `latest`, the highest possible value of a field, to it."""
    later = {f"{name}__gt": moment for name, moment in latest.items()}
    rows.filter(**later).update(**latest)
