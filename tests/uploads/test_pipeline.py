"""The chain: its messages, its queues, and its results with real workers."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from allauth.account.models import EmailAddress
from celery import current_app
from celery.canvas import Signature
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from kombu import Producer
from redis import Redis
from redis.connection import Connection as RedisConnection
from rest_framework.test import APIClient

from deploy.ports import any_free_port
from processing.models import Lease, Original, Rendition
from processing.signals import step_set_aside
from tests.conftest import MakeImage, Send, assert_storage_matches_rows
from tests.system import wait_until
from uploads import broker, completion, pipeline, services
from uploads.broker import publish
from uploads.models import Delivery, Event, Heartbeat, Step, Upload
from uploads.upkeep import recurring, sweeper

ROOT = Path(__file__).resolve().parents[2]
QUEUES = {"thumbnails", "renditions", "notifications", "bulk", "maintenance"}
WORKER = "tests@localhost"
# The same value as in the worker of the tests.
AT_ONCE = 3


def messages_in(client: Redis, queue: str) -> list[dict[str, Any]]:
    """Return the messages in a queue, with decoded bodies."""
    messages = [json.loads(raw) for raw in client.lrange(queue, 0, -1)]
    for message in messages:
        message["arguments"], message["keywords"], message["embedded"] = json.loads(
            base64.b64decode(message["body"])
        )
    return messages


def queues_of(message: Signature) -> list[str | None]:
    """Return the queue of each task of a message, or None if the project's routes decide."""
    return [task.options.get("queue") for task in getattr(message, "tasks", [message])]


class TestMessages:
    pytestmark: ClassVar = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

    def test_messages_contain_only_hash_and_id(self, send: Send, redis_client: Redis) -> None:
        upload = send(name="a secret name.jpg")
        assert pipeline.start(upload) is True
        assert publish(pipeline.build(upload, step=pipeline.SIZES))
        (thumbnails,) = messages_in(redis_client, "thumbnails")
        (sizes,) = messages_in(redis_client, "renditions")
        (notify,) = sizes["embedded"]["chain"]
        content_hash = upload.original.content_hash
        for message, task in ((thumbnails, "generate_thumbnails"), (sizes, "resize_image")):
            assert message["headers"]["task"] == f"processing.tasks.{task}"
            assert (message["arguments"], message["keywords"]) == ([], {"content_hash": content_hash})
            assert "secret" not in json.dumps(message)
        assert thumbnails["embedded"]["chain"] is None
        assert (notify["task"], notify["args"], notify["kwargs"]) == (
            "uploads.tasks.notify_owner",
            [],
            {"upload_id": str(upload.pk)},
        )

    def test_each_step_has_its_own_queue(self, send: Send) -> None:
        upload = send()
        assert queues_of(pipeline.build(upload)) == ["thumbnails"]
        assert queues_of(pipeline.build(upload, step=pipeline.SIZES)) == ["renditions", "notifications"]

    def test_project_without_queues_sends_everything_to_its_default_queue(
        self, send: Send, settings: Any
    ) -> None:
        upload = send()
        names = {f"{kind}_QUEUE": "" for kind in ("THUMBNAILS", "RENDITIONS", "NOTIFICATIONS", "BULK")}
        settings.DARKROOM = {**settings.DARKROOM, **names}
        steps = [pipeline.build(upload, step=step) for step in (pipeline.THUMBNAILS, pipeline.SIZES)]
        upload.bulk = True
        for message in (*steps, pipeline.build(upload)):
            assert set(queues_of(message)) == {None}

    def test_bulk_work_stays_in_the_bulk_queue(self, send: Send, redis_client: Redis) -> None:
        send()
        Upload.objects.update(bulk=True)
        pipeline.start(Upload.objects.shown().get())
        (message,) = messages_in(redis_client, "bulk")
        assert message["headers"]["task"] == "processing.tasks.generate_thumbnails"
        notify, resize = message["embedded"]["chain"]
        assert resize["task"] == "processing.tasks.resize_image"
        assert notify["task"] == "uploads.tasks.notify_owner"
        assert [step["options"]["queue"] for step in (resize, notify)] == ["bulk", "bulk"]
        assert redis_client.llen("thumbnails") == 0

    def test_original_that_has_ended_its_renderer_goes_to_the_bulk_queue(
        self, send: Send, stranger: User, redis_client: Redis, django_capture_on_commit_callbacks: Any
    ) -> None:
        """All its unfinished uploads do; those of other originals stay where they are."""
        upload, _ = send(), send(by=stranger)
        redis_client.flushdb()
        Original.objects.update(deaths=1)
        content_hash = upload.original.content_hash
        with django_capture_on_commit_callbacks(execute=True):
            step_set_aside.send(sender=Original, content_hash=content_hash, step="generate_thumbnails")
        messages = messages_in(redis_client, "bulk")
        assert [message["keywords"] for message in messages] == [{"content_hash": content_hash}] * 2
        assert redis_client.llen("thumbnails") == 0

    def test_tasks_store_no_result(self, send: Send) -> None:
        upload = send()
        upload.bulk = True
        chain: Any = pipeline.build(upload)
        assert [task.type.ignore_result for task in chain.tasks] == [True] * 3


class TestStart:
    pytestmark = pytest.mark.django_db

    def test_start_records_queued_at(self, send: Send, stopped_clock: datetime) -> None:
        upload = send()
        pipeline.start(upload)
        upload.refresh_from_db()
        assert upload.queued_at == stopped_clock

    def test_second_start_publishes_nothing(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        same = Upload.objects.select_related("original").get()
        assert [pipeline.start(upload), pipeline.start(same)] == [True, True]
        assert redis_client.llen("thumbnails") == 1

    def test_sweeper_publishes_after_the_broker_refused(
        self, send: Send, monkeypatch: pytest.MonkeyPatch, redis_client: Redis
    ) -> None:
        upload = send()
        with monkeypatch.context() as patch:
            attempts = refuse_connections(patch)
            assert pipeline.start(upload) is False
        assert 1 <= len(attempts) <= MOST_ATTEMPTS
        upload.refresh_from_db()
        assert upload.queued_at is None
        assert sweeper.sweep() == 1
        assert redis_client.llen("thumbnails") == 1

    @pytest.mark.django_db(transaction=True)
    def test_upload_is_accepted_while_the_broker_refuses(
        self,
        owner: User,
        client_of: Callable[[User], APIClient],
        make_image: MakeImage,
        monkeypatch: pytest.MonkeyPatch,
        redis_client: Redis,
    ) -> None:
        client = client_of(owner)
        with monkeypatch.context() as patch:
            attempts = refuse_connections(patch)
            file = SimpleUploadedFile("a.jpg", make_image())
            response = client.post("/api/uploads/", {"file": file}, format="multipart")
        assert 1 <= len(attempts) <= MOST_ATTEMPTS
        assert response.status_code == 201
        assert Upload.objects.get().queued_at is None
        assert sweeper.sweep() == 1
        assert redis_client.llen("thumbnails") == 1


@pytest.mark.django_db
def test_upload_can_be_processed_without_a_worker(send: Send) -> None:
    upload = send()
    for _ in range(2):
        completion.run_here(upload)
        upload.refresh_from_db()
        assert upload.status == Upload.Status.READY
    assert Event.objects.filter(name="upload.ready").count() == 1


# The maximum number of attempts to reach the broker for one message. A request waits for each of them.
MOST_ATTEMPTS = 2


def refuse_connections(patch: pytest.MonkeyPatch) -> list[str]:
    """Configure a broker at a port on which no server listens. Return a list of the attempts to connect."""
    attempts: list[str] = []
    connect = RedisConnection._connect

    def count(connection: RedisConnection) -> Any:
        attempts.append(connection.host)
        return connect(connection)  # type: ignore[no-untyped-call]

    patch.setattr(RedisConnection, "_connect", count)
    patch.setattr(current_app.conf, "broker_url", f"redis://127.0.0.1:{any_free_port()}/0")
    patch.setattr(current_app, "_pool", None)
    patch.setattr(current_app.amqp, "_producer_pool", None)
    return attempts


# --- Real workers -----------------------------------------------------------------------------


class Inbox:
    """A mail server's handler that keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content))
        return "250 taken"


@pytest.fixture(scope="module")
def mail_server() -> Iterator[Controller]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Inbox(), hostname="127.0.0.1", port=port)
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def inbox(mail_server: Controller) -> list[Message]:
    messages: list[Message] = mail_server.handler.messages
    messages.clear()
    return messages


def database_url_of_tests() -> str:
    """Return the URL of the test database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="module")
def worker_log(
    django_db_setup: None, mail_server: Controller, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Run a worker for all queues on the test database, and return its log file."""
    log = tmp_path_factory.mktemp("worker") / "log"
    environment = {
        **os.environ,
        "DATABASE_URL": database_url_of_tests(),
        "EMAIL_URL": f"smtp://{mail_server.hostname}:{mail_server.port}",
        "UPLOADS_AT_ONCE": str(AT_ONCE),
    }
    options = [
        "-Q",
        ",".join(sorted(QUEUES)),
        "--pool",
        "prefork",
        "-c",
        "2",
        "-n",
        WORKER,
        "--loglevel",
        "INFO",
        "--without-mingle",
        "--without-gossip",
    ]
    command = [sys.executable, "-m", "celery", "-A", "myproject", "worker", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or QUEUES in broker.workers().values(), seconds=60)
        assert process.poll() is None, log.read_text()
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def at_rest(worker_log: Path, redis_client: Redis) -> Iterator[Callable[[], None]]:
    """Return a function that waits until no message is in a queue or in the worker."""
    inspect: Any = current_app.control.inspect(destination=[WORKER])

    def counts() -> tuple[object, int]:
        stats, *in_hand = inspect.stats(), inspect.active(), inspect.reserved(), inspect.scheduled()
        waiting = int(redis_client.hlen("unacked")) + int(redis_client.exists(*QUEUES))
        return stats[WORKER]["total"], waiting + sum(len(tasks[WORKER]) for tasks in in_hand)

    def is_at_rest() -> bool:
        # A single look could miss a message between the end of a task and the start of the next one.
        before, after = counts(), counts()
        return before == after and not after[1]

    yield lambda: wait_until(is_at_rest, seconds=45)
    wait_until(is_at_rest, seconds=45)


def all_are(status: str) -> bool:
    return not Upload.objects.exclude(status=status).exists()


@pytest.fixture
def verified(owner: User) -> None:
    """Verify the owner's address, because the worker has a mail server."""
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)


def assert_told_once(name: str, inbox: list[Message]) -> None:
    """Assert one event, one in-app notice and one mail for each upload."""
    count = Upload.objects.count()
    events = Event.objects.filter(name=name)
    assert events.count() == count
    for channel in ("in_app", "email"):
        assert Delivery.objects.filter(event__in=events, channel=channel).count() == count
    assert not Delivery.objects.filter(delivered_at=None).exists()
    ids = {
        f"<{pk}@127.0.0.1>" for pk in Delivery.objects.filter(channel="email").values_list("pk", flat=True)
    }
    assert sorted(message["Message-ID"] for message in inbox) == sorted(ids)


@pytest.mark.slow
@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("each", "verified")
class TestWorkers:
    def test_uploads_become_ready_with_one_notice(
        self,
        send: Send,
        make_image: MakeImage,
        at_rest: Callable[[], None],
        inbox: list[Message],
        redis_client: Redis,
    ) -> None:
        for seed in (0, 90, 180):
            send(make_image(seed=seed), name=f"{seed}.jpg")
        wait_until(lambda: all_are("ready"))
        at_rest()
        assert_told_once("upload.ready", inbox)
        lines = [str(message.get_payload()).splitlines()[0] for message in inbox]
        assert sorted(lines) == [f"{name}.jpg is ready." for name in (0, 180, 90)]
        assert Rendition.objects.count() == 30
        assert_storage_matches_rows()
        assert not Lease.objects.exists()
        assert Step.objects.filter(finished_at__isnull=False).count() == 9
        assert redis_client.keys("celery-task-meta-*") == []

    def test_chain_published_five_times_completes_once(
        self, send: Send, at_rest: Callable[[], None], inbox: list[Message]
    ) -> None:
        upload = send()
        for _ in range(4):
            assert publish(pipeline.build(upload))
        wait_until(lambda: all_are("ready"))
        at_rest()
        assert_told_once("upload.ready", inbox)
        assert Rendition.objects.count() == 10
        assert_storage_matches_rows()
        assert not Lease.objects.exists()

    def test_broken_image_fails_without_retry(
        self,
        send: Send,
        make_image: MakeImage,
        at_rest: Callable[[], None],
        inbox: list[Message],
        worker_log: Path,
    ) -> None:
        data = make_image()
        upload = send(data[: len(data) // 3], name="broken.jpg")
        wait_until(lambda: all_are("failed"))
        at_rest()
        upload.refresh_from_db()
        assert (upload.status, upload.error_code) == ("failed", "unreadable_image")
        assert "less than half of the picture is there" in upload.error_detail
        assert_told_once("upload.failed", inbox)
        assert list(upload.steps.values_list("name", "finished_at")) == [("generate_thumbnails", None)]
        assert not Lease.objects.exists()
        assert not Rendition.objects.exists()
        assert sweeper.sweep() == 0
        lines = [
            line for line in worker_log.read_text().splitlines() if "less than half of the picture" in line
        ]
        assert lines
        assert not any("Retry in" in line for line in lines)

    def test_bulk_work_is_processed(
        self, send: Send, at_rest: Callable[[], None], inbox: list[Message]
    ) -> None:
        upload = send()
        wait_until(lambda: all_are("ready"))
        at_rest()
        digests = dict(Rendition.objects.values_list("key", "digest"))
        inbox.clear()
        assert services.reprocess(uploads=[upload], force=True, bulk=True) == 0
        wait_until(lambda: all_are("ready"))
        at_rest()
        assert dict(Rendition.objects.values_list("key", "digest")) == digests
        assert not Rendition.objects.filter(redo=True).exists()
        assert inbox == []

    def test_single_upload_does_not_wait_for_many_of_another_owner(
        self,
        send: Send,
        stranger: User,
        make_image: MakeImage,
        at_rest: Callable[[], None],
        settings: Any,
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_AT_ONCE": AT_ONCE}
        for seed in range(30):
            send(make_image(width=300, height=200, seed=seed), name=f"{seed}.jpg")
        single = send(make_image(seed=31), by=stranger)
        waiting = Upload.objects.exclude(owner=stranger).exclude(status="ready").count()
        wait_until(lambda: all_are("ready"), seconds=120)
        at_rest()
        single.refresh_from_db()
        later = Upload.objects.exclude(owner=stranger).filter(ready_at__gt=single.ready_at).count()
        # Of each kind of work, AT_ONCE of the others were queued when that of the single upload was. Each one
        # that was done admitted another one behind it. This worker takes from all queues in turn.
        assert later >= waiting - 5 * AT_ONCE

    def test_site_is_ready_with_worker_and_beat(
        self, client: Client, at_rest: Callable[[], None], redis_client: Redis
    ) -> None:
        assert client.get("/readyz").json()["checks"]["workers"] == "ok"
        recurring.sweep.delay()
        wait_until(Heartbeat.objects.exists)
        # One result is given to all who ask within two seconds.
        wait_until(lambda: client.get("/readyz").json()["checks"]["beat"] == "ok")
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {
            "ready": True,
            "checks": dict.fromkeys(
                ["database", "writes", "broker", "storage", "workers", "beat", "disk", "redis", "presets"],
                "ok",
            ),
            "renderer": "ok",
        }


# --- Messages of another version ----------------------------------------------------------------

STEP = "processing.tasks.generate_thumbnails"
GONE = "ab" * 32
# Messages that an older or newer version may have sent, or that are obsolete: a task and its keywords.
ODD_TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown task": ("processing.tasks.sharpen_image", {"content_hash": GONE}),
    "an unknown keyword": (STEP, {"content_hash": GONE, "sharpness": 3}),
    "a missing keyword": (STEP, {}),
    "an original that is gone": (STEP, {"content_hash": GONE}),
    "an upload that is gone": ("uploads.tasks.notify_owner", {"upload_id": str(uuid.uuid4())}),
    "a delivery that is gone": ("uploads.tasks.deliver", {"delivery_id": str(uuid.uuid4())}),
    "an id that is none": ("uploads.tasks.notify_owner", {"upload_id": "7"}),
}
ODD_BODIES: dict[str, dict[str, Any]] = {
    "no JSON": {"body": b"{", "content_type": "application/json"},
    "a pickle": {"body": b"\x80", "content_type": "application/x-python-serialize"},
    "an empty list": {"body": b"[]", "content_type": "application/json"},
    "a number": {"body": b"7", "content_type": "application/json"},
    "no id": {"body": b"[[], {}, {}]", "content_type": "application/json", "headers": {"task": STEP}},
}


def send_odd_task(name: str, keywords: dict[str, Any]) -> None:
    current_app.send_task(name, kwargs=keywords, queue="thumbnails")


def send_odd_body(body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
    with current_app.connection_for_write() as connection:
        Producer(connection).publish(
            body,
            routing_key="thumbnails",
            content_type=content_type,
            content_encoding="utf-8",
            headers=headers or {"task": STEP, "id": str(uuid.uuid4()), "lang": "py"},
        )


@pytest.mark.slow
@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
class TestMalformedMessages:
    @pytest.mark.parametrize("odd", ODD_TASKS)
    def test_malformed_task_is_dropped_and_the_next_is_processed(
        self, odd: str, send: Send, at_rest: Callable[[], None]
    ) -> None:
        send_odd_task(*ODD_TASKS[odd])
        send()
        wait_until(lambda: all_are("ready"))
        at_rest()

    @pytest.mark.parametrize("odd", ODD_BODIES)
    def test_malformed_body_is_dropped_and_the_next_is_processed(
        self, odd: str, send: Send, at_rest: Callable[[], None]
    ) -> None:
        send_odd_body(**ODD_BODIES[odd])
        send()
        wait_until(lambda: all_are("ready"))
        at_rest()
