"""Waiting for workers: until it is ready, until it has failed, or until the time is up."""

import time
from threading import Event, Thread

import pytest
from django.db import connections
from django.test import TestCase

from tests.conftest import Send
from uploads import completion, services
from uploads.models import Upload
from uploads.testing import UploadFailed, wait_until_ready

live = pytest.mark.django_db(transaction=True)


@live
@pytest.mark.slow
def test_upload_is_returned_when_it_is_ready(
    send: Send, started: list[Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, looked = send(), Event()

    def work() -> None:
        looked.wait()
        completion.run_here(Upload.objects.get())
        connections.close_all()

    worker = Thread(target=work)
    worker.start()
    # The worker begins after the first look, which has found the upload unfinished.
    monkeypatch.setattr(time, "sleep", lambda _seconds: looked.set())
    assert wait_until_ready(upload, seconds=60) is upload
    worker.join()
    assert upload.status == "ready"


@live
def test_failure_is_named(send: Send, started: list[Upload]) -> None:
    upload = send()
    services.lose(upload.original)
    with pytest.raises(
        UploadFailed, match=r"photo\.jpg failed with original_lost: The original file is lost"
    ):
        wait_until_ready(upload)


@live
def test_end_of_the_time_says_what_to_look_at(send: Send, started: list[Upload]) -> None:
    with pytest.raises(TimeoutError, match=r"still pending after 0 seconds\. Does a worker consume"):
        wait_until_ready(send(), seconds=0)


class TestInTestCase(TestCase):
    def test_transaction_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="Use LiveServerTestCase"):
            wait_until_ready(Upload())
