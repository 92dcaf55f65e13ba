"""The processes of the site, and the disks of this machine."""

from django.db import DatabaseError

from processing.storages import disk_space
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Heartbeat
from uploads.monitoring import readiness


def disk() -> str:
    """Return which disk is almost full, or ""."""
    return disk_space.problem()


def workers() -> str:
    """Return the queues without a worker, or ""."""
    try:
        return readiness.unserved(broker.workers())
    except BrokerAway as error:
        return f"The workers were not asked, because the broker failed: {error}"


def beat() -> str:
    """Return that beat is silent, or ""."""
    try:
        return readiness.silence(Heartbeat.last("sweep"))
    except DatabaseError as error:
        return f"Beat's heartbeat was not read, because the database failed: {error}".strip()
