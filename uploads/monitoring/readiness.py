"""Whether what an upload needs answers: database, broker, storage, workers and beat."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Heartbeat

# Beat sweeps every five seconds; this long without a sign of it is no delay any more.
_BEAT_SILENCE = timedelta(seconds=30)
# Seconds for which all answers together are waited for. Workers take one; a storage that takes
# longer is as good as away.
_PATIENCE = 3.0
# A question that hangs holds a thread. Each has a few of its own: whoever asks when they are all held is
# told that there is no answer, and the other questions are answered all the same.
_ASKING = {name: ThreadPoolExecutor(max_workers=4) for name in ("broker", "storage", "workers")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What each part says of itself.

    `problems` has a sentence for each part, "" where all is well. What could not be told is None: how
    many messages wait in each queue, which queues each worker consumes, when beat was last heard of.
    """

    problems: dict[str, str]
    depths: dict[str, int] | None
    workers: dict[str, set[str]] | None
    beat_at: datetime | None


def look() -> Readiness:
    """Ask every part, those outside the database side by side, for a few seconds at most."""
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
    }
    return Readiness(problems=problems, depths=depths, workers=workers, beat_at=beat_at)


def queues() -> list[str]:
    """Return the names of all queues."""
    return [queue.name for queue in settings.CELERY_TASK_QUEUES]


def broker_answers() -> bool:
    """Tell whether messages can be sent now."""
    try:
        broker.queue_depths()
    except BrokerAway:
        return False
    return True


def _problem(asked: Future[Any]) -> str:
    """Return why there is no answer, "" where there is one."""
    if not asked.done():
        asked.cancel()
        return f"no answer within {_PATIENCE:g} seconds"
    error = asked.exception()
    if error is None:
        return ""
    if isinstance(error, BrokerAway | StorageUnavailable | FileMissing):
        # An error without words would look as if all were well.
        return str(error) or type(error).__name__
    raise error


def _look_at_database() -> tuple[str, datetime | None, str]:
    """Return what is wrong with the database, when beat was last heard of, and what is wrong with that."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        beat_at = Heartbeat.objects.filter(name="sweep").values_list("at", flat=True).first()
    except DatabaseError as error:
        return str(error), None, str(error)
    silent = beat_at is None or beat_at < timezone.now() - _BEAT_SILENCE
    return "", beat_at, "beat has not been heard of for half a minute" if silent else ""


def _ask_storage() -> None:
    call_storage(media.check)


def _unserved(workers: dict[str, set[str]]) -> str:
    served = set().union(*workers.values())
    missing = sorted(set(queues()) - served)
    return f"no worker for: {', '.join(missing)}" if missing else ""
