"""The database, Redis and the broker: each does the work that the site needs."""

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from redis import Redis
from redis.exceptions import RedisError

from processing import clock
from processing.conf import darkroom
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Heartbeat
from uploads.redis.connections import pool, prefixed

# Redis time-out in seconds.
_TIME = 5.0


def database() -> str:
    """Return why the database cannot be written to, or that it lacks migrations, or ""."""
    try:
        executor = MigrationExecutor(connection)
        if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return f"The database lacks {len(missing)} migrations. Run manage.py migrate."
        _write_and_undo()
    except DatabaseError as error:
        return f"The database (DATABASE_URL) does not work: {error}".strip()
    return ""


def redis() -> str:
    """Return why Redis cannot be written to, or ""."""
    try:
        with pool(darkroom().redis_url, seconds=_TIME) as connections:
            client = Redis(connection_pool=connections)
            client.set(prefixed("darkroom:doctor"), "", ex=60)
            client.delete(prefixed("darkroom:doctor"))
    except (RedisError, OSError) as error:
        return f"Redis (REDIS_URL) does not work: {error}"
    return ""


def broker_problem() -> str:
    """Return why a message does not come back from the broker, or ""."""
    try:
        broker.queue_depths()
        broker.round_trip()
    except BrokerAway as error:
        return f"The broker (CELERY_BROKER_URL, else REDIS_URL) does not work: {error}"
    return ""


def _write_and_undo() -> None:
    with transaction.atomic():
        Heartbeat.objects.update_or_create(name="doctor", defaults={"at": clock.now()})
        transaction.set_rollback(True)
