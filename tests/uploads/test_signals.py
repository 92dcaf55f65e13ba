"""uploads.signals: a project receives signals about an upload, inside the transaction that changes it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.dispatch import Signal

from processing.images.reading.refusals import UnreadableImage
from tests.conftest import Send
from uploads import completion, services
from uploads.models import Event, Upload
from uploads.signals import upload_deleted, upload_failed, upload_ready, upload_received

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@contextmanager
def heard(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    """Yield the arguments of each signal, and assert that it was sent in a transaction."""
    calls: list[dict[str, Any]] = []

    def listen(*, signal: Signal, sender: type, **arguments: Any) -> None:
        assert sender is Upload
        assert transaction.get_connection().in_atomic_block
        calls.append(arguments)

    signal.connect(listen)
    yield calls
    signal.disconnect(listen)


def test_signals_contain_the_upload(send: Send) -> None:
    with heard(upload_received) as received, heard(upload_ready) as ready, heard(upload_deleted) as deleted:
        upload = send()
        completion.run_here(upload)
        services.delete_upload(upload=upload)
    assert received == [{"upload": upload}]
    assert ready == [{"upload": upload, "again": False}]
    assert deleted == [{"upload": upload}]


def test_ready_signal_marks_a_repetition(send: Send) -> None:
    upload = send()
    completion.run_here(upload)
    with heard(upload_ready) as ready:
        services.reprocess_here(upload=upload, force=True)
    assert ready == [{"upload": upload, "again": True}]


def test_failed_signal_contains_the_refusal(send: Send) -> None:
    upload, refusal = send(), UnreadableImage("It is damaged.")
    with heard(upload_failed) as failed:
        completion.fail(upload, refusal)
    assert failed == [{"upload": upload, "refusal": refusal}]


@pytest.mark.django_db(transaction=True)
def test_exception_in_a_receiver_rolls_back(send: Send, owner: User) -> None:
    def refuse(**_arguments: Any) -> None:
        raise ZeroDivisionError

    upload_received.connect(refuse)
    try:
        with pytest.raises(ZeroDivisionError):
            send()
    finally:
        upload_received.disconnect(refuse)
    assert not Upload.objects.filter(owner=owner).exists()
    assert not Event.objects.filter(owner=owner).exists()


def test_documented_example_runs_its_task_on_commit(
    send: Send,
    capsys: pytest.CaptureFixture[str],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    text = Path(settings.BASE_DIR, "docs", "signals.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "signals.md", "exec"), names)  # the example that readers copy
    current_app.conf.task_always_eager = True
    upload = send()
    try:
        with django_capture_on_commit_callbacks() as callbacks:
            completion.run_here(upload)
        assert "is ready" not in capsys.readouterr().out
        for callback in callbacks:
            callback()
    finally:
        current_app.conf.task_always_eager = False
        upload_ready.disconnect(names["describe_it"])
    assert f"{upload.filename} is ready" in capsys.readouterr().out
