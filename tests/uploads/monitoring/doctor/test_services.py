"""The doctor's words for a database, Redis and broker that do not work."""

from typing import Any

import pytest
from celery import current_app
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from redis import Redis

from deploy.ports import any_free_port
from uploads import broker
from uploads.broker import BrokerAway
from uploads.monitoring.doctor import local, services

pytestmark = [pytest.mark.django_db]


def refuse_writes(execute: Any, sql: str, *arguments: Any) -> Any:
    if sql.startswith(("INSERT", "UPDATE")):
        raise OperationalError("cannot execute INSERT in a read-only transaction")
    return execute(sql, *arguments)


def test_working_services_are_well() -> None:
    assert (services.database(), services.redis(), services.broker_problem()) == ("", "", "")


# The fast run has tables, but no migrations.
@pytest.mark.slow
def test_missing_migration_is_reported() -> None:
    (newest,) = MigrationLoader(connection).graph.leaf_nodes("uploads")
    MigrationRecorder(connection).record_unapplied(*newest)
    assert services.database() == "The database lacks 1 migrations. Run manage.py migrate."


def test_read_only_database_is_reported() -> None:
    with connection.execute_wrapper(refuse_writes):
        assert "(DATABASE_URL) does not work: cannot execute INSERT" in services.database()


@pytest.mark.any_database
def test_unreachable_redis_is_reported(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": f"redis://127.0.0.1:{any_free_port()}/0"}
    assert services.redis().startswith("Redis (REDIS_URL) does not work: ")


@pytest.mark.any_database
def test_round_trip_leaves_nothing(redis_client: Redis) -> None:
    broker.round_trip()
    assert redis_client.keys("*doctor*") == []


@pytest.mark.any_database
def test_lost_message_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_ROUND_TRIP_TIME", 0)
    monkeypatch.setattr(broker, "Producer", lambda _channel: _Silent())
    with pytest.raises(BrokerAway, match="did not arrive"):
        broker.round_trip()


class _Silent:
    def publish(self, *_message: Any, **_options: Any) -> None:
        """Lose the message."""


@pytest.mark.any_database
def test_unreachable_broker_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", f"redis://127.0.0.1:{any_free_port()}/0")
    monkeypatch.setattr(current_app, "_pool", None)
    assert services.broker_problem().startswith("The broker (CELERY_BROKER_URL, else REDIS_URL) does not")
    assert local.workers().startswith("The workers were not asked, because the broker failed: ")
