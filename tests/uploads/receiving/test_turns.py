"""Turns: a limited number of requests is at work, some wait, and others are refused."""

import asyncio

import pytest

from uploads.problems import Busy
from uploads.receiving import turns
from uploads.receiving.turns import Turns


async def refused(queue: Turns) -> bool:
    try:
        async with queue.taken():
            return False
    except Busy:
        return True


def test_requests_take_turns_in_their_order() -> None:
    at_work = most = 0
    order: list[int] = []

    async def work(queue: Turns, number: int) -> None:
        nonlocal at_work, most
        async with queue.taken():
            at_work += 1
            most = max(most, at_work)
            order.append(number)
            await asyncio.sleep(0)
            at_work -= 1

    async def test() -> None:
        queue = Turns(2)
        await asyncio.gather(*(work(queue, number) for number in range(10)))

    asyncio.run(test())
    assert most == 2
    assert order == list(range(10))


def test_request_that_waits_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_PATIENCE", 0.05)

    async def test() -> None:
        queue = Turns(1)
        async with queue.taken():
            assert await refused(queue)
        assert not await refused(queue)

    asyncio.run(test())


def test_request_is_refused_at_once_if_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_WAITING_FOR_ONE", 3)
    monkeypatch.setattr(turns, "_PATIENCE", 600)

    async def test() -> list[bool]:
        queue, done = Turns(1), asyncio.Event()

        async def work() -> None:
            async with queue.taken():
                await done.wait()

        waiting = [asyncio.create_task(work()) for _ in range(4)]
        await asyncio.sleep(0)
        found = [await refused(queue), await refused(queue)]
        done.set()
        await asyncio.gather(*waiting)
        return [*found, await refused(queue)]

    assert asyncio.run(test()) == [True, True, False]


def test_failed_request_frees_its_turn() -> None:
    async def test() -> None:
        queue = Turns(1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with queue.taken():
                    raise ZeroDivisionError
        assert not await refused(queue)

    asyncio.run(test())


def test_client_that_goes_while_it_waits_takes_no_turn() -> None:
    async def test() -> None:
        queue = Turns(1)
        async with queue.taken():
            waiting = asyncio.create_task(refused(queue))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert not await refused(queue)

    asyncio.run(test())
