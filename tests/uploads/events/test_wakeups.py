"""Wake-ups are sent over Redis, and no request waits for them."""

from pathlib import Path

import pytest
from django.conf import settings
from redis import Redis

from tests.conftest import Send
from uploads.events import wakeups


def test_wake_up_is_sent_when_an_event_is_committed(
    send: Send, django_capture_on_commit_callbacks: object
) -> None:
    with Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as channel:
        channel.subscribe(wakeups.channel(settings.REDIS_URL))
        assert channel.get_message(timeout=5) is not None
        with django_capture_on_commit_callbacks(execute=False) as callbacks:  # type: ignore[operator]
            upload = send()
        assert channel.get_message(timeout=0.1) is None
        for callback in callbacks:
            callback()
        message = channel.get_message(timeout=5)
    assert message is not None
    assert int(message["data"]) == upload.owner_id


def test_circuit_breaker_skips_an_unavailable_redis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    away = wakeups._Wakeups(f"unix://{tmp_path}/nobody.sock")
    for _ in range(20):
        away.tell(1)
    assert len([record for record in caplog.records if "are not sent" in record.message]) == 1
