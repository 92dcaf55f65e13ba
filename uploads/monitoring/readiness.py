"""Readiness of everything that an upload needs: database, broker, storage, workers and beat."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from processing.storages import disk_space
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Heartbeat

# Beat starts the sweeper every five seconds, so silence for this long is not just a delay.
_BEAT_SILENCE = timedelta(seconds=30)
# Seconds to wait for all checks together. Asking the workers takes 1 s. A slower part counts as unavailable.
_PATIENCE = 3.0
# A check that hangs blocks a thread, so each check has a small pool. An exhausted pool fails only its own
# check.
_ASKING = {name: ThreadPoolExecutor(max_workers=4) for name in ("broker", "storage", "workers")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The state of each part.

    `problems` has a sentence for each part, or "" if it is well. The depth of each queue, the queues
    of each worker, and the time of beat's last heartbeat are None if unknown.
    """

    problems: dict[str, str]
    depths: dict[str, int] | None
    workers: dict[str, set[str]] | None
    beat_at: datetime | None


def look() -> Readiness:
    """Check every part. Threads check all but the database, for `_PATIENCE` seconds at most."""
    depths_asked = _ASKING["broker"].submit(broker.queue_depths)
    storage_asked = _ASKING["storage"].submit(_ask_storage)
    workers_asked = _ASKING["workers"].submit(broker.workers)
    database_problem, beat_at, beat_problem = _look_at_database()
    asked: list[Future[Any]] = [depths_asked, storage_asked, workers_asked]
    wait(asked, timeout=_PATIENCE)
    broker_problem, storage_problem, workers_problem = map(_problem, asked)
    depths = None if broker_problem else depths_asked.result()
    workers = None if workers_problem else workers_asked.result()
    problems = {
        "database": database_problem,
        "broker": broker_problem,
        "storage": storage_problem,
        "workers": workers_problem or _unserved(workers or {}),
        "beat": beat_problem,
        "disk": disk_space.problem(),
    }
    return Readiness(problems=problems, depths=depths, workers=workers, beat_at=beat_at)


def queues() -> list[str]:
    """Return the names of all queues."""
    return [queue.name for queue in settings.CELERY_TASK_QUEUES]


def broker_answers() -> bool:
    """Return whether the broker is available."""
    try:
        broker.queue_depths()
    except BrokerAway:
        return False
    return True


def _problem(asked: Future[Any]) -> str:
    """Return why a check failed, or "" if it succeeded."""
    if not asked.done():
        asked.cancel()
        return f"no answer within {_PATIENCE:g} seconds"
    error = asked.exception()
    if error is None:
        return ""
    if isinstance(error, BrokerAway | StorageUnavailable | FileMissing):
        # An empty error message would look like success.
        return str(error) or type(error).__name__
    raise error


def _look_at_database() -> tuple[str, datetime | None, str]:
    """Return the database's problem, the time of beat's last heartbeat, and beat's problem."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        beat_at = Heartbeat.objects.filter(name="sweep").values_list("at", flat=True).first()
    except DatabaseError as error:
        return str(error), None, str(error)
    silent = beat_at is None or beat_at < timezone.now() - _BEAT_SILENCE
    return "", beat_at, "beat has sent no heartbeat for 30 seconds" if silent else ""


def _ask_storage() -> None:
    call_storage(media.check)


def _unserved(workers: dict[str, set[str]]) -> str:
    served = set().union(*workers.values())
    missing = sorted(set(queues()) - served)
    return f"no worker for: {', '.join(missing)}" if missing else ""
