"""Places: a person and a process have a limited number of event streams."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient

from tests.conftest import key_of
from uploads.events import places
from uploads.events.places import NoMoreStreams, Places, TooManyStreams, in_place


@pytest.fixture
def few(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "STREAMS_PER_PERSON": 2, "STREAMS_AT_ONCE": 3}


async def blocks() -> AsyncGenerator[str]:
    yield "first"
    yield "second"


@pytest.mark.usefixtures("few")
class TestPlaces:
    def test_person_gets_no_place_beyond_the_limit(self) -> None:
        free = Places()
        taken = [free.take(1), free.take(1)]
        with pytest.raises(TooManyStreams, match="You have 2 open event streams") as caught:
            free.take(1)
        assert caught.value.retry_after == 60
        taken.append(free.take(2))

    def test_process_gives_no_place_beyond_its_limit(self) -> None:
        free = Places()
        taken = [free.take(1), free.take(1), free.take(2)]
        with pytest.raises(NoMoreStreams):
            free.take(3)
        taken.pop().give_back()
        taken.append(free.take(3))

    def test_place_is_given_back_once(self) -> None:
        free = Places()
        first, _second = free.take(1), free.take(1)
        first.give_back()
        first.give_back()
        _third = free.take(1)
        with pytest.raises(TooManyStreams):
            free.take(1)

    def test_ended_stream_gives_its_place_back(self) -> None:
        free = Places()

        async def test() -> None:
            assert [block async for block in in_place(free.take(1), blocks())] == ["first", "second"]
            async with aclosing(in_place(free.take(1), blocks())) as cut:
                assert await anext(cut) == "first"

        asyncio.run(test())
        assert not free._taken

    def test_stream_that_never_began_gives_its_place_back(self) -> None:
        free = Places()
        stream = in_place(free.take(1), blocks())
        assert free._taken[1] == 1
        del stream
        gc.collect()
        assert not free._taken


@pytest.mark.usefixtures("few")
@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
def test_one_stream_too_many_is_answered_429(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uploads.api.views.places", Places())
    headers = {"Authorization": f"Token {key_of(owner)}"}

    async def test() -> None:
        try:
            streams = [await AsyncClient().get("/api/events/", headers=headers) for _ in range(2)]
            assert [stream.status_code for stream in streams] == [200, 200]
            refused = await AsyncClient().get("/api/events/", headers=headers)
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(places._AGAIN))
            assert refused.json()["code"] == "too_many_streams"
            async with aclosing(streams[0]._iterator) as stream:  # type: ignore[attr-defined]
                await anext(stream)
            again = await AsyncClient().get("/api/events/", headers=headers)
            assert again.status_code == 200
        finally:
            await sync_to_async(connections.close_all)()

    asyncio.run(test())
