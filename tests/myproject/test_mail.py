"""Mail is queued for a worker on commit, or sent directly while the broker is unavailable."""

import smtplib
from typing import Any, NoReturn

import pytest
from celery import Task
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from kombu.exceptions import OperationalError

from myproject import mail

MESSAGE: dict[str, Any] = {
    "subject": "Hello",
    "body": "Plain words",
    "html_body": "",
    "to": ["ada@example.org"],
}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the published messages."""
    published: list[dict[str, Any]] = []

    def publish(_task: Task[Any, Any], _args: Any, kwargs: dict[str, Any], **options: Any) -> None:
        published.append({"kwargs": kwargs, **options})

    monkeypatch.setattr(Task, "apply_async", publish)
    return published


@pytest.fixture
def broker_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every message."""

    def refuse(*_values: object, **_options: object) -> NoReturn:
        raise OperationalError("connection refused")

    monkeypatch.setattr(Task, "apply_async", refuse)


def refuse_mail(*_values: object, **_options: object) -> NoReturn:
    raise smtplib.SMTPServerDisconnected("gone")


def test_mail_is_queued_only_on_commit(queued: list[dict[str, Any]]) -> None:
    with transaction.atomic():
        mail.send_in_background(**MESSAGE)
        assert queued == []
    assert [options["kwargs"]["to"] for options in queued] == [["ada@example.org"]]


def test_mail_is_not_sent_after_a_rollback(queued: list[dict[str, Any]]) -> None:
    with transaction.atomic():
        mail.send_in_background(**MESSAGE)
        transaction.set_rollback(True)
    assert queued == []


def test_task_arguments_in_monitors_hide_the_body(queued: list[dict[str, Any]]) -> None:
    mail.send_in_background(**{**MESSAGE, "body": "https://site/reset/secret"})
    assert "secret" not in queued[0]["kwargsrepr"]
    assert queued[0]["kwargs"]["message_id"] in queued[0]["kwargsrepr"]


def test_task_sends_mail_with_the_given_id() -> None:
    mail.deliver_mail(**MESSAGE, message_id="<1@darkroom>")
    (message,) = django_mail.outbox
    assert message.extra_headers["Message-ID"] == "<1@darkroom>"
    assert (message.subject, message.body, message.to) == ("Hello", "Plain words", ["ada@example.org"])


def test_task_attaches_html() -> None:
    mail.deliver_mail(**{**MESSAGE, "html_body": "<p>Words</p>"}, message_id="<1@darkroom>")
    (message,) = django_mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    assert [tuple(part) for part in message.alternatives] == [("<p>Words</p>", "text/html")]


def test_task_retries_an_unavailable_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[object] = []

    def refuse_and_count(message: object) -> NoReturn:
        attempts.append(message)
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse_and_count)
    result = mail.deliver_mail.apply(kwargs={**MESSAGE, "message_id": "<1@darkroom>"})
    assert result.state == "FAILURE"
    assert len(attempts) == 9


@pytest.mark.usefixtures("broker_away")
def test_mail_is_sent_directly_while_the_broker_is_unavailable() -> None:
    mail.send_in_background(**MESSAGE)
    assert [message.to for message in django_mail.outbox] == [["ada@example.org"]]


@pytest.mark.usefixtures("broker_away")
def test_failure_of_broker_and_mail_server_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse_mail)
    mail.send_in_background(**MESSAGE)
    assert "could not be sent" in caplog.text
