"""The tasks for people: what they retry, and what is queued on commit."""

from typing import Any

import pytest
from celery import Task
from celery.canvas import Signature
from django.contrib.auth.models import User
from django.db import transaction

from processing.database.availability import DATABASE_UNAVAILABLE
from tests.conftest import Send
from uploads import broker, tasks
from uploads.models import Delivery, Event
from uploads.notices import outbox, preferences, schedule
from uploads.notices.announcements import announce
from uploads.notices.schedule import DeliveryFailed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("each")]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the arguments of published messages."""
    messages: list[dict[str, Any]] = []

    def publish(message: Signature[Any]) -> bool:
        messages.append(message.kwargs)
        return True

    monkeypatch.setattr(broker, "publish", publish)
    return messages


def count_attempts(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> list[str]:
    attempts: list[str] = []

    def break_off(argument: str) -> None:
        attempts.append(argument)
        raise error

    target = schedule if name == "deliver" else tasks
    monkeypatch.setattr(target, name, break_off)
    return attempts


@pytest.mark.parametrize("error", DATABASE_UNAVAILABLE)
@pytest.mark.parametrize(
    ("task", "name", "argument"),
    [(tasks.notify_owner, "complete", "upload_id"), (tasks.deliver, "deliver", "delivery_id")],
)
def test_unavailable_database_is_retried(
    monkeypatch: pytest.MonkeyPatch,
    task: Task[Any, Any],
    name: str,
    argument: str,
    error: type[Exception],
) -> None:
    attempts = count_attempts(monkeypatch, name, error("the database is unavailable"))
    assert task.apply(kwargs={argument: "1"}).state == "FAILURE"
    assert attempts == ["1"] * 6


@pytest.mark.parametrize("error", [DeliveryFailed("not taken"), ZeroDivisionError()])
def test_other_errors_are_not_retried(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    attempts = count_attempts(monkeypatch, "deliver", error)
    assert tasks.deliver.apply(kwargs={"delivery_id": "1"}).state == "FAILURE"
    assert attempts == ["1"]


def test_tasks_store_no_result() -> None:
    assert all(task.ignore_result for task in (tasks.notify_owner, tasks.deliver))


def test_new_notice_is_queued_only_on_commit(
    send: Send, published: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    upload = send()
    with django_capture_on_commit_callbacks(execute=True):
        announce(upload, Event.Name.READY)
        assert published == []
    email = Delivery.objects.get(channel="email")
    assert published == [{"delivery_id": str(email.pk)}]
    assert email.queued_at is not None


def test_held_notice_is_not_queued(
    send: Send, owner: User, published: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    preferences.choose_email(person=owner, choice="digest")
    upload = send()
    with django_capture_on_commit_callbacks(execute=True):
        announce(upload, Event.Name.READY)
    assert published == []
    assert Delivery.objects.get(channel="email").queued_at is None


@pytest.mark.django_db(transaction=True)
def test_rolled_back_notice_is_not_queued(send: Send, published: list[dict[str, Any]]) -> None:
    with transaction.atomic():
        announce(send(), Event.Name.READY)
        transaction.set_rollback(True)
    assert published == []


def test_changed_notice_is_not_queued_again(
    send: Send, published: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    announce(send(), Event.Name.READY)
    with django_capture_on_commit_callbacks(execute=True):
        Delivery.objects.get(channel="email").save()
    assert published == []


def test_notice_that_cannot_be_queued_is_left_to_the_sweeper(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "publish", lambda _message: False)
    announce(send(), Event.Name.READY)
    delivery = Delivery.objects.get(channel="email")
    outbox.publish(delivery)
    delivery.refresh_from_db()
    assert delivery.queued_at is None
