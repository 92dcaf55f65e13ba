"""Health, readiness and metrics: each missing part is named."""

import socket
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from tests.conftest import MakeImage, Send
from uploads import broker, completion, pipeline
from uploads.models import Event, Heartbeat, Upload
from uploads.monitoring import readiness
from uploads.notices.announcements import announce

# Threads check the database, and see only what is committed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
QUEUES = {"thumbnails", "renditions", "notifications", "bulk", "maintenance"}
NAMES = {"database", "writes", "broker", "storage", "workers", "beat", "disk", "redis", "presets"}


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that all workers answer, and record a heartbeat of beat."""
    monkeypatch.setattr(broker, "workers", lambda: {"all@here": QUEUES})
    Heartbeat.objects.create(name="sweep", at=timezone.now())


def checks(client: Client, status: int) -> dict[str, str]:
    answer = client.get("/readyz")
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"ready", "checks", "renderer"}
    assert body["ready"] is (status == 200)
    assert set(body["checks"]) == NAMES
    found: dict[str, str] = body["checks"]
    return found


def missing(client: Client, status: int = 503) -> set[str]:
    return {name for name, words in checks(client, status).items() if words != "ok"}


def refuse(*_arguments: object, **_options: object) -> None:
    raise OSError("Input/output error")


def test_healthz_answers_without_a_query(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert answer.headers["Cache-Control"] == "no-store"


class TestReady:
    @pytest.mark.usefixtures("whole")
    def test_ready_site_passes_every_check(self, client: Client) -> None:
        assert set(checks(client, 200).values()) == {"ok"}

    @pytest.mark.slow
    def test_missing_workers_and_beat_are_reported(self, client: Client) -> None:
        found = checks(client, 200)
        assert found["workers"] == f"no worker for: {', '.join(sorted(QUEUES))}"
        assert "beat" in found["beat"]
        assert (found["database"], found["broker"], found["storage"]) == ("ok", "ok", "ok")

    @pytest.mark.usefixtures("whole")
    def test_queue_without_a_worker_is_reported(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker, "workers", lambda: {"most@here": QUEUES - {"bulk"}})
        assert checks(client, 200)["workers"] == "no worker for: bulk"

    @pytest.mark.usefixtures("whole")
    def test_silent_beat_is_reported(self, client: Client) -> None:
        Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=31))
        assert missing(client, 200) == {"beat"}

    @pytest.mark.usefixtures("whole")
    def test_requests_share_one_check(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        checks(client, 200)
        monkeypatch.setattr(readiness, "look", refuse)
        checks(client, 200)

    @pytest.mark.usefixtures("whole")
    def test_unavailable_storage_is_reported(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(default_storage, "check", refuse)
        assert "Input/output error" in checks(client, 503)["storage"]

    @pytest.mark.usefixtures("whole")
    def test_unwritable_storage_is_reported(self, client: Client, settings: Any, tmp_path: Any) -> None:
        (tmp_path / "file").write_text("not a folder")
        settings.MEDIA_ROOT = tmp_path / "file" / "media"
        assert missing(client) == {"storage"}

    @pytest.mark.usefixtures("whole")
    def test_unavailable_database_is_reported(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse_cursor() -> None:
            raise OperationalError("the database is unavailable")

        monkeypatch.setattr(
            readiness, "connection", type("Away", (), {"cursor": staticmethod(refuse_cursor)})
        )
        assert checks(client, 503)["database"] == "the database is unavailable"

    @pytest.mark.usefixtures("whole")
    def test_process_serves_while_the_database_refuses_writes(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(readiness, "refuses_writes", lambda: True)
        assert missing(client, 200) == {"writes"}
        assert "refuses writes" in checks(client, 200)["writes"]

    def test_unavailable_broker_is_reported_with_its_workers(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"redis://127.0.0.1:{free.getsockname()[1]}/0"
        monkeypatch.setattr(current_app.conf, "broker_url", address)
        monkeypatch.setattr(current_app, "_pool", None)
        assert {"broker", "workers"} <= missing(client, 200)

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    def test_health_pages_refuse_post(self, client: Client, path: str) -> None:
        assert client.post(path).status_code == 405


def figures(client: Client, **options: Any) -> dict[str, Metric]:
    answer = client.get("/metrics", **options)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {family.name: family for family in text_string_to_metric_families(answer.content.decode())}


def values(family: Metric, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in family.samples}


class TestMetrics:
    @pytest.fixture(autouse=True)
    def _no_workers(self, started: list[Upload], monkeypatch: pytest.MonkeyPatch) -> None:
        """Publish nothing, and ask no workers, because there are none."""
        monkeypatch.setattr(pipeline, "publish", lambda _message: True)
        monkeypatch.setattr(broker, "workers", dict)

    def test_metrics_contain_every_figure(self, client: Client, send: Send, make_image: MakeImage) -> None:
        with Redis.from_url(django_settings.REDIS_URL) as redis_client:
            redis_client.flushdb()
        upload = send()
        completion.run_here(upload)
        waiting = send(make_image(seed=90))
        Upload.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - timedelta(minutes=10))
        found = figures(client)
        assert values(found["darkroom_uploads"], "status") == {
            "pending": 1,
            "processing": 0,
            "ready": 1,
            "failed": 0,
        }
        assert values(found["darkroom_queue_depth"], "queue") == dict.fromkeys(QUEUES, 0)
        single = {name: family.samples[0].value for name, family in found.items() if len(family.samples) == 1}
        assert single["darkroom_originals"] == 2
        assert single["darkroom_renditions"] == 10
        assert single["darkroom_deliveries_waiting"] == 1
        assert 600 <= single["darkroom_oldest_waiting_seconds"] < 660
        assert set(values(found["darkroom_part_ok"], "part")) == NAMES | {"renderer"}
        assert all(family.documentation for family in found.values())

    def test_metrics_of_an_empty_system_are_zero(self, client: Client) -> None:
        found = figures(client)
        assert sum(values(found["darkroom_uploads"], "status").values()) == 0
        assert found["darkroom_oldest_waiting_seconds"].samples[0].value == 0

    def test_metrics_name_each_part_that_is_not_well(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(default_storage, "check", refuse)
        Heartbeat.objects.create(name="sweep", at=timezone.now())
        parts = values(figures(client)["darkroom_part_ok"], "part")
        assert parts == {
            "database": 1,
            "writes": 1,
            "broker": 1,
            "storage": 0,
            "workers": 0,
            "beat": 1,
            "disk": 1,
            "redis": 1,
            "presets": 1,
            "renderer": 1,
        }

    def test_metrics_omit_queues_while_the_broker_is_unavailable(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away() -> dict[str, int]:
            raise broker.BrokerAway("connection refused")

        monkeypatch.setattr(broker, "queue_depths", away)
        found = figures(client)
        assert found["darkroom_queue_depth"].samples == []
        assert "darkroom_originals" in found

    def test_delivered_notice_is_not_waiting(self, client: Client, send: Send) -> None:
        event = announce(send(), Event.Name.READY)
        assert event is not None
        event.deliveries.update(delivered_at=timezone.now(), next_attempt_at=None)
        assert figures(client)["darkroom_deliveries_waiting"].samples[0].value == 0

    @pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "", "nonsense"])
    def test_metrics_are_hidden_from_other_machines(self, client: Client, owner: User, address: str) -> None:
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == 404
        client.force_login(owner)
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == 404

    @pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
    def test_metrics_are_shown_to_the_same_machine(self, client: Client, address: str) -> None:
        assert figures(client, REMOTE_ADDR=address)

    @pytest.mark.parametrize(
        "header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"]
    )
    def test_metrics_are_hidden_behind_a_local_proxy(self, client: Client, header: str) -> None:
        assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 404

    def test_metrics_token_replaces_the_address_check(self, client: Client, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "METRICS_TOKEN": "a-token-of-prometheus"}
        for value in ("", "Bearer", "Bearer wrong", "Token a-token-of-prometheus", "Bearer é"):
            assert client.get("/metrics", headers={"authorization": value}).status_code == 404
        headers = {"authorization": "Bearer a-token-of-prometheus", "x-forwarded-for": "192.0.2.7"}
        assert figures(client, REMOTE_ADDR="192.0.2.7", headers=headers)

    def test_metrics_are_shown_to_staff_anywhere(self, admin_client: Client) -> None:
        assert figures(admin_client, REMOTE_ADDR="192.0.2.7")
