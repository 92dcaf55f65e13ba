"""The recurring tasks, and beat's schedule for them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from uploads.models import Heartbeat
from uploads.tokens import legacy
from uploads.upkeep import collector, recurring, retention, sweeper, unknown_files

pytestmark = pytest.mark.django_db


def test_sweep_records_a_heartbeat_and_sweeps(
    monkeypatch: pytest.MonkeyPatch, stopped_clock: datetime
) -> None:
    sweeps: list[int] = []
    monkeypatch.setattr(sweeper, "sweep", lambda: sweeps.append(1))
    recurring.sweep()
    assert Heartbeat.objects.get(name="sweep").at == stopped_clock
    assert sweeps == [1]


def test_messages_that_waited_together_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(sweeper, "sweep", lambda: done.append("sweep"))
    monkeypatch.setattr(collector, "collect", lambda: done.append("collect"))
    moments = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: moments[0])
    for _ in range(2):
        for task in (recurring.sweep, recurring.collect):
            task()
            task()
        moments[0] += timedelta(seconds=5)
    assert done == ["sweep", "collect"] * 2


def test_no_message_expires_before_a_worker_whose_clock_is_minutes_ahead_has_it() -> None:
    schedule: dict[str, dict[str, Any]] = current_app.conf.beat_schedule
    seconds = [entry["options"]["expires"] for entry in schedule.values() if "options" in entry]
    assert seconds == [3600, 3600, 3600]


def test_collect_task_runs_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    collections: list[int] = []
    monkeypatch.setattr(collector, "collect", lambda: collections.append(1))
    recurring.collect()
    assert collections == [1]


def test_count_unknown_files_task_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(unknown_files, "count", lambda: counts.append(1))
    recurring.count_unknown_files()
    assert counts == [1]


def test_erase_plain_keys_task_erases_them(monkeypatch: pytest.MonkeyPatch) -> None:
    erasures: list[int] = []
    monkeypatch.setattr(legacy, "erase_plain_keys", lambda: erasures.append(1))
    recurring.erase_plain_keys()
    assert erasures == [1]


def test_expired_sessions_are_removed() -> None:
    for age in (timedelta(days=-1), timedelta(days=1)):
        session = SessionStore()
        session.set_expiry(timezone.now() + age)
        session.save()
    recurring.clear_sessions()
    assert Session.objects.get().expire_date > timezone.now()


def test_tasks_of_the_retention_go_on_until_they_have_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    monkeypatch.setattr(recurring, "publish", lambda message: published.append(message.task))
    for finished in (False, True):
        monkeypatch.setattr(retention, "end_records", lambda finished=finished: finished)
        monkeypatch.setattr(retention, "end_sessions", lambda finished=finished: finished)
        recurring.end_records()
        recurring.clear_sessions()
    assert published == ["uploads.recurring.end_records", "uploads.recurring.clear_sessions"]


def test_recurring_tasks_exist_and_have_their_own_queue() -> None:
    schedule: dict[str, dict[str, Any]] = current_app.conf.beat_schedule
    names = {entry["task"] for entry in schedule.values()}
    ours = (
        *("sweep", "collect", "count_unknown_files", "clear_sessions", "recount_quotas"),
        *("erase_plain_keys", "end_records", "remove_unused"),
        *("check_sample", "take_figures", "report"),
    )
    assert names == {f"uploads.recurring.{name}" for name in ours}
    for name in names:
        assert name in current_app.tasks
        assert current_app.amqp.router.route({}, name)["queue"].name == "maintenance"


def test_beat_sweeps_as_soon_as_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    monkeypatch.setattr(recurring, "publish", lambda message: published.append(message.task))
    recurring.sweep_at_once()
    assert published == ["uploads.recurring.sweep"]
