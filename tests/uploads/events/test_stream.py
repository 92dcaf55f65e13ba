"""The live stream: every event of a person once and in order, even while Redis or the database fails."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from pathlib import Path
from threading import Event as Signal
from typing import Any, TypeVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError, connections, transaction
from django.test import AsyncClient
from django.utils import timezone

from processing.images.reading.refusals import UnreadableImage
from tests.conftest import MakeImage, Send, key_of
from tests.system import wait_until
from tests.threads import at_once
from uploads import broker, completion, services
from uploads.events import history, stream
from uploads.events.stream import Bells, _bells, block, end_all, follow
from uploads.models import Event, Upload
from uploads.notices.announcements import announce
from uploads.tokens import issuing

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20
Answer = TypeVar("Answer")


@pytest.fixture(autouse=True)
def _no_messages(started: list[Upload], monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish nothing, because these tests have no worker."""
    monkeypatch.setattr(broker, "publish", lambda _message: True)


@pytest.fixture
def pictures(make_image: MakeImage) -> Callable[[int], bytes]:
    return lambda number: make_image(seed=number, width=40, height=30)


def ids(blocks: list[str]) -> list[int]:
    """Return the ids of the events among the blocks."""
    return [
        int(line[4:])
        for block in blocks
        if "event:" in block
        for line in block.splitlines()
        if line[:4] == "id: "
    ]


async def take(stream: AsyncIterator[Any], count: int) -> list[Any]:
    """Return the next blocks of a stream."""
    async with asyncio.timeout(PATIENCE):
        return [await anext(stream) for _ in range(count)]


def run(test: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a test, and close the database connection of the thread that runs Django's views."""

    async def run_and_close() -> Answer:
        try:
            return await test
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(run_and_close())


def all_ids() -> list[int]:
    return list(Event.objects.order_by("pk").values_list("pk", flat=True))


def test_stream_starts_with_the_id_to_resume_from(owner: User) -> None:
    async def test() -> None:
        async with aclosing(follow(owner_id=owner.pk, after=7)) as stream:
            assert await take(stream, 1) == ["retry: 2000\nid: 7\n\n"]

    run(test())


def test_later_events_are_sent_in_order(
    send: Send, owner: User, pictures: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_BATCH", 2)
    for number in range(5):
        send(pictures(number))
    known = all_ids()

    async def test() -> None:
        async with aclosing(follow(owner_id=owner.pk, after=known[0])) as stream:
            assert ids(await take(stream, 5)) == known[1:]

    run(test())


def test_streams_end_when_the_process_stops(
    send: Send, owner: User, pictures: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients reconnect to another process. They have got every event until then."""
    monkeypatch.setattr(stream, "_bells", Bells())
    send(pictures(0))
    known = all_ids()

    async def test() -> None:
        async with asyncio.timeout(PATIENCE):
            blocks = []
            async for block in follow(owner_id=owner.pk, after=0):
                blocks.append(block)
                if ids(blocks) == known:
                    end_all()
            assert ids(blocks) == known
            # One that begins now ends at once, too.
            assert len([block async for block in follow(owner_id=owner.pk, after=0)]) == 1

    run(test())


def test_new_password_ends_the_stream(send: Send, owner: User, pictures: Callable[[int], bytes]) -> None:
    """An intruder's stream shows nothing of what happens after the change."""
    send(pictures(0))
    services.end_access(person=owner)
    assert not Event.objects.filter(name="account.password_changed").exists()
    User.objects.filter(pk=owner.pk).update(last_login=timezone.now())
    owner.refresh_from_db()
    services.end_access(person=owner)
    send(pictures(1))
    received, change, _later = all_ids()

    async def test() -> list[str]:
        return [block async for block in follow(owner_id=owner.pk, after=0)]

    blocks = run(asyncio.wait_for(test(), PATIENCE))
    assert ids(blocks) == [received, change]
    assert "event: account.password_changed" in blocks[-1]


def test_event_block_contains_id_name_and_payload(send: Send) -> None:
    upload = send()
    event = Event.objects.get()
    assert block(event) == (
        f"id: {event.pk}\nevent: upload.received\n"
        f'data: {{"type": "upload.received", "timestamp": "{event.created_at.isoformat()}", '
        f'"data": {{"id": "{upload.pk}", "filename": "photo.jpg"}}}}\n\n'
    )


def test_file_name_with_line_breaks_stays_on_one_line(send: Send, make_image: MakeImage) -> None:
    send(make_image(), name="a\n\nid: 7\u2028.jpg")
    assert block(Event.objects.get()).count("\n") == 4


def test_event_arrives_by_its_wake_up(send: Send, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE", 600)

    async def test() -> None:
        async with aclosing(follow(owner_id=owner.pk, after=0)) as stream:
            await take(stream, 1)
            for name in (Event.Name.RECEIVED, Event.Name.DELETED):
                coming = asyncio.create_task(take(stream, 1))
                await asyncio.sleep(0)
                await asyncio.to_thread(at_once, act[name])
                assert f"event: {name}" in (await coming)[0]

    act: dict[str, Callable[[], object]] = {
        Event.Name.RECEIVED: send,
        Event.Name.DELETED: lambda: services.delete_upload(upload=Upload.objects.get()),
    }
    run(test())


def test_stream_polls_without_redis(
    send: Send, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": f"unix://{tmp_path}/nobody.sock"}
    monkeypatch.setattr(stream, "KEEP_ALIVE", 600)

    async def test() -> None:
        async with aclosing(follow(owner_id=owner.pk, after=0)) as stream:
            await take(stream, 1)
            await asyncio.to_thread(at_once, send)
            assert "upload.received" in (await take(stream, 1))[0]

    run(test())


def test_stream_polls_if_redis_does_not_answer(
    send: Send, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": f"unix://{tmp_path}/silent.sock"}
    monkeypatch.setattr(stream, "KEEP_ALIVE", 600)
    monkeypatch.setattr(stream, "_LOOK", 0.2)

    async def test() -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(tmp_path / "silent.sock"))
            silent.listen()
            async with aclosing(follow(owner_id=owner.pk, after=0)) as stream:
                await take(stream, 1)
                await asyncio.to_thread(at_once, send)
                assert "upload.received" in (await take(stream, 1))[0]

    run(test())


def test_idle_stream_sends_keep_alive_comments(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.05)

    async def test() -> None:
        async with aclosing(follow(owner_id=owner.pk, after=0)) as stream:
            assert (await take(stream, 3))[1:] == [": still here\n\n"] * 2

    run(test())


def test_stream_ends_after_its_lifetime(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LIFETIME", 0.2)
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.05)

    async def test() -> None:
        async with asyncio.timeout(PATIENCE):
            blocks = [block async for block in follow(owner_id=owner.pk, after=0)]
        assert set(blocks[1:]) == {": still here\n\n"}

    run(test())


def test_stream_waits_for_an_unavailable_database(
    send: Send, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    send()
    failures = [OperationalError("gone")] * 3
    ask = history.after

    def fail_first(**which: int) -> Any:
        if failures:
            raise failures.pop()
        return ask(**which)

    monkeypatch.setattr(history, "after", fail_first)
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.05)

    async def test() -> None:
        async with aclosing(follow(owner_id=owner.pk, after=0)) as stream:
            assert len(ids(await take(stream, 3))) == 1

    run(test())


@pytest.mark.slow
def test_redis_listener_ends_with_the_last_stream(owner: User) -> None:
    async def test() -> None:
        both = [follow(owner_id=owner.pk, after=0) for _ in range(2)]
        for one in both:
            await take(one, 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(one)

    run(test())
    assert not _bells._bells
    wait_until(lambda: not _bells._listening, seconds=PATIENCE)


@pytest.mark.slow
def test_event_ids_become_visible_in_order(send: Send, owner: User, pictures: Callable[[int], bytes]) -> None:
    """While one transaction is recording an event, another one of the same person has to wait."""
    first, second = send(pictures(1)), send(pictures(2))
    recorded, watched = Signal(), Signal()
    seen: list[list[tuple[str]]] = []

    def slow() -> None:
        with transaction.atomic():
            announce(first, Event.Name.DELETED)
            recorded.set()
            watched.wait(1)  # long enough for the other transaction to try to overtake

    def quick() -> None:
        recorded.wait(PATIENCE)
        with transaction.atomic():
            announce(second, Event.Name.DELETED)
        seen.append(
            list(Event.objects.filter(owner=owner, name=Event.Name.DELETED).values_list("upload__filename"))
        )
        watched.set()

    at_once(slow, quick)
    assert len(seen[0]) == 2


def test_two_shared_originals_can_fail_concurrently(
    send: Send, owner: User, stranger: User, pictures: Callable[[int], bytes]
) -> None:
    """Uploads are locked in their own order, which differs from the order of their owners."""
    for number in range(6):
        for person in (owner, stranger) if number % 2 else (stranger, owner):
            send(pictures(number), by=person)
    hashes = set(Upload.objects.values_list("original__content_hash", flat=True))
    at_once(*[partial(fail, content_hash) for content_hash in hashes])
    assert Event.objects.filter(name=Event.Name.FAILED).count() == 12


def fail(content_hash: str) -> None:
    with transaction.atomic():
        completion.on_step_failed(content_hash=content_hash, refusal=UnreadableImage("It is damaged."))


class TestOverHTTP:
    @pytest.fixture
    def get(self, owner: User) -> Callable[..., Any]:
        headers = {"Authorization": f"Token {key_of(owner)}"}
        return partial(AsyncClient().get, "/api/events/", headers=headers)

    def read(self, answer: Coroutine[Any, Any, Any], count: int) -> tuple[Any, list[str]]:
        async def test() -> tuple[Any, list[str]]:
            response = await answer
            # Close the stream, as the end of a connection does.
            async with aclosing(response._iterator) as stream:
                return response, [block.decode() for block in await take(stream, count)]

        return run(test())

    def test_stream_starts_at_the_newest_event(self, send: Send, get: Callable[..., Any]) -> None:
        send()
        response, blocks = self.read(get(), 1)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        assert blocks == [f"retry: 2000\nid: {all_ids()[0]}\n\n"]

    @pytest.mark.parametrize("place", ["header", "query"])
    def test_stream_resumes_after_the_given_event(
        self, place: str, send: Send, get: Callable[..., Any], pictures: Callable[[int], bytes]
    ) -> None:
        for number in range(3):
            send(pictures(number))
        first, *later = all_ids()
        key = get.keywords["headers"]["Authorization"]  # type: ignore[attr-defined]
        if place == "header":
            answer = get(headers={"Authorization": key, "Last-Event-ID": str(first)})
        else:
            answer = get({"last_event_id": first})
        assert ids(self.read(answer, 3)[1]) == later

    def test_stream_contains_no_events_of_others(
        self, send: Send, stranger: User, get: Callable[..., Any], pictures: Callable[[int], bytes]
    ) -> None:
        send(pictures(1), by=stranger)
        mine = send(pictures(2))
        send(pictures(3), by=stranger)
        _, blocks = self.read(get({"last_event_id": 0}), 2)
        assert str(mine.pk) in blocks[1]

    def test_stream_ends_when_its_token_is_revoked(
        self, owner: User, get: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream, "KEEP_ALIVE", 0.05)

        async def test() -> None:
            response = await get()
            async with aclosing(response._iterator) as blocks:
                await take(blocks, 2)
                await sync_to_async(issuing.revoke_tokens)(owner)
                async with asyncio.timeout(PATIENCE):
                    assert {block async for block in blocks} <= {b": still here\n\n"}

        run(test())

    def test_future_event_id_is_treated_as_the_newest(self, send: Send, get: Callable[..., Any]) -> None:
        send()
        _, blocks = self.read(get({"last_event_id": 10**17}), 1)
        assert blocks == [f"retry: 2000\nid: {all_ids()[0]}\n\n"]

    @pytest.mark.parametrize("text", ["-1", "one", "1.5", "9" * 19])
    def test_invalid_event_id_is_refused(self, text: str, get: Callable[..., Any]) -> None:
        response = run(get({"last_event_id": text}))
        assert response.status_code == 400
        assert response.json()["code"] == "invalid"

    def test_visitor_is_refused(self) -> None:
        response = run(AsyncClient().get("/api/events/", headers={"Accept": "text/event-stream"}))
        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "not_authenticated"
