"""The status page: for staff only, correct if a service is unavailable, and usable without scripts."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from deploy.ports import any_free_port
from tests.conftest import MakeImage, Send
from tests.pages import in_one_line
from uploads import broker, completion, pipeline, services
from uploads.models import Heartbeat, Upload
from uploads.monitoring import statistics
from uploads.pages import status

pytestmark = [
    # Threads check the database, and see only what is committed.
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.any_database,
]

QUEUES = {"thumbnails", "renditions", "notifications", "bulk", "maintenance"}
Fail = Callable[..., Upload]


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that a worker answers and that beat has run."""
    monkeypatch.setattr(broker, "workers", lambda: {"one@here": QUEUES})
    Heartbeat.objects.create(name="sweep", at=timezone.now())


@pytest.fixture
def fail(send: Send, make_image: MakeImage) -> Fail:
    """Return a function that creates a failed upload."""
    seeds = iter(range(1, 250))

    def fail(name: str = "sea.jpg") -> Upload:
        upload = send(make_image(seed=next(seeds)), name=name)
        upload.status, upload.error_code = Upload.Status.FAILED, "unreadable_image"
        upload.error_detail = "It is damaged."
        upload.save()
        return upload

    return fail


@pytest.fixture
def broker_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure a broker on a port without a listener."""
    monkeypatch.undo()
    monkeypatch.setattr(current_app.conf, "broker_url", f"redis://127.0.0.1:{any_free_port()}/0")
    monkeypatch.setattr(current_app, "_pool", None)


def page_of(client: Client) -> str:
    answer = client.get("/status/")
    assert answer.status_code == 200
    return in_one_line(answer)


def cells(page: str, row: str) -> list[str]:
    """Return the cells of the row with this heading."""
    found = re.search(rf"<th[^>]*>(?:<code>)?{row}(?:</code>)?</th>(.*?)</tr>", page)
    assert found is not None
    return [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", found[1])]


def told(answer: Any) -> list[str]:
    assert (answer.status_code, answer["Location"]) == (302, "/status/")
    return [str(message) for message in get_messages(answer.wsgi_request)]


class TestPermissions:
    ADDRESSES = (
        ("get", "/status/"),
        ("post", "/status/retry"),
        ("post", f"/status/retry/{uuid.UUID(int=1)}"),
    )

    @pytest.mark.parametrize(("method", "path"), ADDRESSES)
    def test_visitor_is_redirected_to_sign_in(self, client: Client, method: str, path: str) -> None:
        answer = getattr(client, method)(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={path}")

    @pytest.mark.parametrize(("method", "path"), [*ADDRESSES, ("get", "/status/figures")])
    def test_other_users_get_not_found(self, client: Client, owner: User, method: str, path: str) -> None:
        client.force_login(owner)
        assert getattr(client, method)(path).status_code == 404

    def test_figures_do_not_redirect_to_sign_in(self, client: Client) -> None:
        assert client.get("/status/figures").status_code == 404

    def test_only_staff_see_the_menu_entry(self, client: Client, admin_client: Client, owner: User) -> None:
        client.force_login(owner)
        assert "/status/" not in client.get("/account/").content.decode()
        assert 'href="/status/"' in admin_client.get("/account/").content.decode()

    def test_staff_need_the_permissions_of_the_admin(self, client: Client, owner: User, fail: Fail) -> None:
        upload = fail()
        User.objects.update(is_staff=True)
        client.force_login(owner)
        assert "sea.jpg" not in page_of(client)
        assert client.post("/status/retry").status_code == 403
        assert client.post(f"/status/retry/{upload.pk}").status_code == 403
        owner.user_permissions.add(Permission.objects.get(codename="view_upload"))
        page = page_of(client)
        assert "sea.jpg" in page
        assert "formaction" not in page

    @pytest.mark.parametrize("path", ["/status/retry", f"/status/retry/{uuid.UUID(int=1)}"])
    def test_retry_refuses_get(self, admin_client: Client, path: str) -> None:
        assert admin_client.get(path).status_code == 405

    @pytest.mark.parametrize("path", ["/status/", "/status/figures"])
    def test_status_page_is_not_cached(self, admin_client: Client, path: str) -> None:
        assert "no-store" in admin_client.get(path)["Cache-Control"]


class TestFigures:
    def test_figures_are_shown_for_a_working_system(
        self, admin_client: Client, send: Send, fail: Fail
    ) -> None:
        upload = send()
        completion.run_here(upload)
        fail()
        page = page_of(admin_client)
        assert "All systems operational" in page
        assert 'role="alert"' not in page
        assert cells(page, "Ready") == ["1"]
        assert cells(page, "Failed") == ["1"]
        assert cells(page, "Not ready yet") == ["0"]
        assert cells(page, "Last minute") == ["1"]
        assert cells(page, "Median")[0].endswith(" s")
        assert cells(page, "Email") == ["1", "0"]
        assert re.fullmatch("now|.* ago", cells(page, "Beat")[0])
        assert cells(page, "one@here") == ["just now"]

    def test_queues_are_shown_with_depth_and_workers(self, admin_client: Client, send: Send) -> None:
        current_app.send_task("uploads.tasks.notify_owner", kwargs={"upload_id": "1"}, queue="bulk")
        page = page_of(admin_client)
        assert cells(page, "bulk") == ["1", "one@here"]
        assert cells(page, "thumbnails") == ["0", "one@here"]

    def test_figures_are_shown_for_an_empty_system(self, admin_client: Client) -> None:
        page = page_of(admin_client)
        assert cells(page, "Oldest upload") == ["–"]
        assert cells(page, "95th percentile") == ["–"]
        assert "No failed images." in page

    def test_refreshed_figures_equal_those_of_the_page(self, admin_client: Client) -> None:
        part = in_one_line(admin_client.get("/status/figures")).strip()
        assert part.startswith('<section class="figures" id="figures"')
        assert part.endswith("</section>")
        assert cells(part, "Ready") == cells(page_of(admin_client), "Ready")
        # A focused or open element would be reset every few seconds.
        assert not re.search("<(a|button|details|input)[ >]", part)

    def test_status_page_uses_a_fixed_number_of_queries(
        self, admin_client: Client, fail: Fail, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(5):
            fail()
        with django_assert_max_num_queries(16):
            page_of(admin_client)


class TestAlarms:
    def test_missing_workers_and_silent_beat_raise_alarms(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker, "workers", dict)
        Heartbeat.objects.all().delete()
        page = page_of(admin_client)
        assert 'class="alarm" role="alert"' in page
        assert "No workers are responding." in page
        assert "Beat is not responding." in page
        assert cells(page, "thumbnails") == ["0", "none"]
        assert (cells(page, "Workers"), cells(page, "Beat")) == (["no answer"], ["never"])

    def test_queue_without_a_worker_raises_an_alarm(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker, "workers", lambda: {"one@here": QUEUES - {"bulk"}})
        assert re.search("Some queues have no worker.*no worker for: bulk", page_of(admin_client))

    @pytest.mark.usefixtures("broker_away")
    def test_unavailable_broker_raises_an_alarm(self, admin_client: Client) -> None:
        page = page_of(admin_client)
        assert "The broker is unavailable." in page
        assert cells(page, "bulk") == ["unknown", "unknown"]
        assert cells(page, "Workers") == ["unknown"]

    def test_unavailable_storage_raises_an_alarm(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse() -> None:
            raise OSError("<Input/output error>")

        monkeypatch.setattr(default_storage, "check", refuse)
        assert re.search("The storage is unavailable.*&lt;Input/output error&gt;", page_of(admin_client))

    def test_repeated_alarm_is_not_announced_again(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker, "workers", dict)
        page = page_of(admin_client)
        address = re.search('hx-get="(/status/[^"]+)"', page)
        assert address is not None
        again = admin_client.get(address[1]).content.decode()
        assert "No workers are responding." in again
        assert 'role="alert"' not in again
        Heartbeat.objects.all().delete()
        assert 'role="alert"' in admin_client.get(address[1]).content.decode()


class TestWithoutTheDatabase:
    @pytest.fixture(
        params=[(SessionStore, "load"), (statistics, "uploads_by_status")], ids=["session", "figures"]
    )
    def away(self, request: Any, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the database unavailable before or after authentication."""

        def refuse(*_arguments: object) -> None:
            raise OperationalError("<it> is shutting down")

        place, name = request.param
        monkeypatch.setattr(place, name, refuse)

    @pytest.mark.usefixtures("away")
    def test_status_page_reports_an_unavailable_database(self, admin_client: Client) -> None:
        answer = admin_client.get("/status/")
        assert answer.status_code == 503
        page = answer.content.decode()
        assert re.search(
            'role="alert".*The database is unavailable.*&lt;it&gt; is shutting down', page, re.DOTALL
        )
        assert "Reload" in page

    @pytest.mark.usefixtures("away")
    def test_refreshed_figures_report_an_unavailable_database(self, admin_client: Client) -> None:
        answer = admin_client.get("/status/figures")
        assert answer.status_code == 200
        assert "The database is unavailable." in answer.content.decode()
        assert 'role="alert"' in answer.content.decode()
        again = admin_client.get("/status/figures?told=database").content.decode()
        assert 'role="alert"' not in again


class TestFailures:
    def test_failure_is_listed_with_reason_owner_and_link(self, admin_client: Client, fail: Fail) -> None:
        upload = fail("<b>sea<b>.jpg")
        page = page_of(admin_client)
        assert f'href="/admin/uploads/upload/{upload.pk}/change/"' in page
        assert "&lt;b&gt;sea&lt;b&gt;.jpg" in page
        assert "<b>sea" not in page
        for text in ("unreadable_image", "It is damaged.", "ada"):
            assert text in page

    def test_newest_failures_are_shown_and_all_are_counted(
        self, admin_client: Client, fail: Fail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(status, "FAILURES_SHOWN", 2)
        for name in ("one.jpg", "two.jpg", "three.jpg"):
            fail(name)
        page = page_of(admin_client)
        assert "one.jpg" not in page
        assert page.index("three.jpg") < page.index("two.jpg")
        assert "The newest 2 of 3." in page
        assert "Retry all 3" in page

    def test_a_single_failure_has_one_button(self, admin_client: Client, fail: Fail) -> None:
        fail()
        assert "Retry all" not in page_of(admin_client)

    def test_single_retry_is_not_bulk_work(
        self, admin_client: Client, fail: Fail, started: list[Upload]
    ) -> None:
        upload = fail()
        started.clear()
        assert told(admin_client.post(f"/status/retry/{upload.pk}")) == ["Reprocessing sea.jpg."]
        assert started == [upload]
        upload.refresh_from_db()
        assert (upload.status, upload.bulk, upload.error_code) == ("pending", False, "")

    def test_failed_image_is_retried_once(
        self, admin_client: Client, fail: Fail, started: list[Upload]
    ) -> None:
        upload = fail()
        started.clear()
        admin_client.post(f"/status/retry/{upload.pk}")
        assert (
            told(admin_client.post(f"/status/retry/{upload.pk}"))[-1]
            == "This image is no longer marked as failed."
        )
        assert len(started) == 1

    def test_retry_of_all_failures_is_bulk_work(
        self, admin_client: Client, fail: Fail, send: Send, started: list[Upload]
    ) -> None:
        failed = {fail(), fail(), fail()}
        send()
        started.clear()
        assert told(admin_client.post("/status/retry")) == ["Reprocessing 3 images."]
        assert set(started) == failed
        assert set(Upload.objects.filter(bulk=True)) == failed
        assert told(admin_client.post("/status/retry"))[-1] == "Reprocessing 0 images."

    def test_retry_of_all_failures_is_limited(
        self, admin_client: Client, fail: Fail, started: list[Upload], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(status, "RETRIES", 3)
        monkeypatch.setattr(status, "_PART", 2)
        failed = [fail() for _ in range(4)]
        assert "Retry the newest 3 of 4" in page_of(admin_client)
        started.clear()
        assert told(admin_client.post("/status/retry")) == ["Reprocessing 3 images."]
        assert len(started) == 3
        assert list(statistics.failures()) == failed[:1]

    def test_retry_stops_when_the_broker_fails(
        self, admin_client: Client, fail: Fail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(status, "_PART", 2)
        for _ in range(5):
            fail()
        monkeypatch.setattr(pipeline, "start", lambda _upload: False)
        assert told(admin_client.post("/status/retry")) == ["Reprocessing 2 images."]
        assert statistics.failures().count() == 3

    @pytest.mark.usefixtures("broker_away")
    def test_nothing_is_retried_while_the_broker_is_unavailable(
        self, admin_client: Client, fail: Fail
    ) -> None:
        fail()
        answer = admin_client.post("/status/retry")
        assert told(answer) == ["The broker is unavailable. No image has been retried."]
        assert statistics.failures().count() == 1

    def test_deleted_upload_is_not_retried(
        self, admin_client: Client, fail: Fail, started: list[Upload]
    ) -> None:
        upload = fail()
        services.delete_upload(upload=upload)
        assert "sea.jpg" not in page_of(admin_client)
        started.clear()
        admin_client.post(f"/status/retry/{upload.pk}")
        admin_client.post("/status/retry")
        assert started == []

    def test_retry_needs_a_csrf_token(self, admin_user: User, fail: Fail) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        fail()
        assert client.post("/status/retry").status_code == 403
        assert 'name="csrfmiddlewaretoken"' in page_of(client)
