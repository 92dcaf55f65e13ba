"""No log line contains a secret, even at the level DEBUG: passwords, tokens, links, URLs."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.core import mail as django_mail
from django.core.cache import cache
from django.test import Client
from sesame.utils import get_query_string

from myproject.mail import deliver_mail
from tests.conftest import Send, key_of
from tests.processing.processes import ROOT, environment
from tests.system import wait_until
from tests.workers import running_worker
from uploads.models import Upload
from uploads.notices import endpoints, webhooks
from uploads.serving import private_links

pytestmark = [pytest.mark.any_database, pytest.mark.slow]

SECRET = "hunter2-and-more"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Return all log lines of this process, including those of the level DEBUG."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.django_db
def test_sent_data_is_not_logged(
    client: Client, owner: User, send: Send, log: pytest.LogCaptureFixture
) -> None:
    cache.clear()
    Upload.objects.filter(pk=send().pk).update(visibility="private")
    upload, token = Upload.objects.get(), key_of(owner)
    owner.set_password(SECRET)
    owner.save()
    link = private_links.make(upload=upload).token
    secrets = [SECRET, token, link, get_query_string(owner)[1:]]
    client.post("/accounts/login/", {"login": "ada", "password": f"{SECRET}-wrong"})
    client.post("/accounts/login/", {"login": "ada", "password": SECRET})
    secrets.append(client.session.session_key or "")
    client.post("/accounts/signup/", {"username": "ada", "password1": SECRET, "password2": SECRET})
    client.get(f"/accounts/link/{get_query_string(owner)}x")
    client.get(f"/i/{upload.pk}/nothing?link={link}")
    client.get("/api/nothing/", headers={"authorization": f"Token {token}"})
    Client(enforce_csrf_checks=True).post(f"/?password={SECRET}", {"password": SECRET})
    assert "Not Found: /api/nothing/" in log.text
    assert all(len(secret) >= 16 and secret not in log.text for secret in secrets)


@pytest.mark.django_db
def test_webhook_secret_is_not_logged(owner: User, log: pytest.LogCaptureFixture) -> None:
    endpoint = endpoints.add(owner=owner, url=f"http://nothing.invalid/{SECRET}")
    delivery = endpoints.send_test(endpoint=endpoint)
    with pytest.raises(webhooks.NotTaken):
        webhooks.send(delivery)
    (secret,) = webhooks.signing_secrets(endpoint).values_list("value", flat=True)
    for text in (SECRET, secret, secret.removeprefix("whsec_")):
        assert text not in log.text


@pytest.mark.parametrize("ask", [Client.get, Client.post])
@pytest.mark.django_db
def test_exception_is_logged_without_the_sent_data(
    client: Client, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Any]
) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr("uploads.pages.account.person_of", lambda _request: 1 / 0)
    client.force_login(User.objects.create_user("eve"))
    answer = ask(client, "/account/", {"password": SECRET}, headers={"cookie-like": SECRET})
    assert answer.status_code == 500
    assert "ZeroDivisionError" in log.text
    assert SECRET not in log.text
    assert SECRET not in answer.content.decode()
    assert django_mail.outbox == []


START = """
import myproject.asgi
from django.core.cache import cache
from django.db import connection
from myproject.celery import app
from uploads import broker
for call in (lambda: cache.get("x"), connection.ensure_connection, broker.queue_depths):
    try:
        call()
    except Exception as error:
        print(repr(error))
"""
BROKEN = {
    "REDIS_URL": f"redis://ada:{SECRET}@127.0.0.1:1/0",
    "CELERY_BROKER_URL": f"amqp://ada:{SECRET}@127.0.0.1:1//",
    "DATABASE_URL": f"postgres://ada:{SECRET}@127.0.0.1:1/darkroom",
    "EMAIL_URL": f"smtp://ada:{SECRET}@127.0.0.1:1",
    "AWS_SECRET_ACCESS_KEY": SECRET,
}
MISTYPED = (
    {"REDIS_URL": f"redis://ada:{SECRET}@host:port/0"},
    {"DATABASE_URL": f"postgresq://ada:{SECRET}@host/x"},
)


@pytest.mark.parametrize("variables", [BROKEN, *MISTYPED], ids=["away", "port", "scheme"])
def test_connection_error_is_reported_without_the_password(variables: dict[str, str]) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START],
        cwd=ROOT,
        env={**environment(), **variables, "LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = process.stdout + process.stderr
    assert "error" in said.lower() or "Darkroom does not start:" in said
    assert SECRET not in said


@pytest.mark.django_db(transaction=True)
def test_worker_logs_no_mail_and_no_dropped_message_and_runs_no_pickle(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    message = {"subject": SECRET, "body": SECRET, "html_body": SECRET, "to": ["a@example.com"]}
    options = {"LOG_LEVEL": "DEBUG", "EMAIL_URL": f"smtp://ada:{SECRET}@127.0.0.1:1"}
    with running_worker(log, "--pool=threads", "--loglevel=DEBUG", queues="notifications", **options):
        deliver_mail.delay(**message, message_id="<the-mail@example.com>")
        current_app.send_task("uploads.mail.of_another_version", kwargs={"body": SECRET}, kwargsrepr="{}")
        current_app.send_task("uploads.mail.send_mail", kwargs={"body": SECRET, "more": 1}, kwargsrepr="{}")
        with current_app.connection_for_write() as connection:
            producer = connection.Producer(serializer="pickle")
            producer.publish({"task": "x", "body": SECRET}, routing_key="notifications")
        ends = ("Retry in", "of_another_version", "TypeError", "ContentDisallowed")
        wait_until(lambda: all(end in log.read_text() for end in ends), seconds=60)
    assert SECRET not in log.read_text()
    assert json.dumps(SECRET)[1:-1] not in log.read_text()
