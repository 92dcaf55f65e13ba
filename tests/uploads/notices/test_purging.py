"""Purges: what is asked of each nginx, when, and what happens if one does not answer."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from celery.canvas import Signature
from pytest_django import Settings

from deploy.ports import any_free_port
from tests.conftest import Send
from uploads import broker, services, tasks
from uploads.models import Upload
from uploads.notices import purging
from uploads.notices.purging import NotPurged
from uploads.testing import render

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


class _Nginx(BaseHTTPRequestHandler):
    """Record the paths of requests, and answer as the test says."""

    status, paths = 200, list[str]()

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def nginx(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Nginx]]:
    """Run a server at which Darkroom purges."""
    monkeypatch.setattr(_Nginx, "paths", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Nginx) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        settings.DARKROOM = {**settings.DARKROOM, "NGINX_PURGE_URL": [url]}
        yield _Nginx
        server.shutdown()
        thread.join()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Signature[Any]]:
    """Record the messages about purges."""
    messages: list[Signature[Any]] = []

    def publish(message: Signature[Any]) -> bool:
        if message.task in {purging.PURGE, purging.PURGE_OWNER}:
            messages.append(message)
        return True

    monkeypatch.setattr(broker, "publish", publish)
    return messages


def test_each_path_is_purged(nginx: type[_Nginx]) -> None:
    tasks.purge(paths=["/i/1/small/webp", "/renditions/2"])
    assert nginx.paths == ["/i/1/small/webp", "/renditions/2"]


@pytest.mark.parametrize(("status", "is_purged"), [(200, True), (404, True), (403, False), (502, False)])
def test_refusal_is_an_error(
    nginx: type[_Nginx], monkeypatch: pytest.MonkeyPatch, status: int, is_purged: bool
) -> None:
    monkeypatch.setattr(nginx, "status", status)
    if is_purged:
        purging.purge(["/x"])
        return
    with pytest.raises(NotPurged, match=f"nginx answered {status}"):
        purging.purge(["/x"])


def test_nginx_that_is_unavailable_is_asked_again_for_a_limited_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{any_free_port()}"
    settings.DARKROOM = {**settings.DARKROOM, "NGINX_PURGE_URL": [address]}
    attempts: list[int] = []

    def purge(paths: list[str]) -> None:
        attempts.append(len(attempts))
        with pytest.raises(NotPurged, match="was not purged"):
            real(paths)
        raise NotPurged

    real = purging.purge
    monkeypatch.setattr(purging, "purge", purge)
    result = tasks.purge.apply(kwargs={"paths": ["/x"]})
    assert isinstance(result.result, NotPurged)
    assert len(attempts) == 1 + tasks.PURGE_OPTIONS["max_retries"]


def test_deletion_purges_everything_that_nginx_may_keep_twice(
    send: Send, nginx: type[_Nginx], published: list[Signature[Any]], django_capture_on_commit_callbacks: Any
) -> None:
    upload = render(send())
    urls = [row.key.rpartition("/")[2] for row in upload.shown_renditions()]
    with django_capture_on_commit_callbacks(execute=True):
        services.delete_upload(upload=upload)
        assert published == []
    first, second = published
    assert first.kwargs == second.kwargs
    assert first.options["queue"] == second.options["queue"] == "notifications"
    assert second.options["countdown"] > first.options["countdown"]
    paths = first.kwargs["paths"]
    assert {f"/i/{upload.pk}/small/both", f"/i/{upload.pk}/small.webp", f"/i/{upload.pk}/thumb/any"} <= {
        *paths
    }
    assert {path.rpartition("/")[2] for path in paths if path.startswith("/renditions/")} == {*urls}


def test_nothing_is_queued_without_an_address(
    send: Send, published: list[Signature[Any]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.delete_upload(upload=send())
    assert published == []


def test_suspension_purges_each_upload_of_the_owner(
    send: Send, nginx: type[_Nginx], published: list[Signature[Any]], django_capture_on_commit_callbacks: Any
) -> None:
    upload = render(send())
    with django_capture_on_commit_callbacks(execute=True):
        upload.owner.save()
    assert published == []
    upload.owner.is_active = False
    with django_capture_on_commit_callbacks(execute=True):
        upload.owner.save()
    (message,) = published
    tasks.purge_owner(**message.kwargs)
    assert {sent.kwargs["paths"][0] for sent in published[1:]} == {Upload.cached_paths(upload)[0]}
