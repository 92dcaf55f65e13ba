"""Live events from the real server to programs and browser tabs."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from deploy.ports import HOST
from tests.conftest import MakeImage
from tests.journeys.browsing import PATIENCE
from tests.journeys.test_upload import send_by_token
from tests.system import System
from tests.threads import at_once

pytestmark = pytest.mark.journey

CHAIN = ["upload.received", "upload.thumbnails_ready", "upload.ready"]
MANY = 200


@pytest.fixture(scope="module")
def token(system: System) -> str:
    return system.manage("drf_create_token", "demo").stdout.split()[2]


def send(system: System, token: str, data: bytes, name: str) -> str:
    status, upload = send_by_token(system, token, data, name)
    assert status == 201
    return str(upload["id"])


@contextmanager
def stream(system: System, token: str, *, after: str = "") -> Iterator[Iterator[dict[str, str]]]:
    """Yield the blocks of a stream as dictionaries of fields."""
    headers = {"Authorization": f"Token {token}", "Last-Event-ID": after}
    with closing(http.client.HTTPConnection(HOST, system.port, timeout=30)) as connection:
        connection.request("GET", "/api/events/", headers=headers)
        response = connection.getresponse()
        assert response.getheader("Content-Type") == "text/event-stream"
        yield blocks(response)


def blocks(response: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in response:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        else:
            yield fields
            fields = {}


def events_of(upload: str, stream: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
    return (
        block for block in stream if "data" in block and json.loads(block["data"])["data"]["id"] == upload
    )


def test_event_stream_resumes_after_a_lost_connection(
    system: System, token: str, make_image: MakeImage
) -> None:
    with stream(system, token) as first:
        upload = send(system, token, make_image(seed=160), "live.jpg")
        received = next(events_of(upload, first))
    other = send(system, token, make_image(seed=161), "meanwhile.jpg")
    with stream(system, token, after=received["id"]) as second:
        got: list[tuple[str, str]] = []
        while [name for _, name in got].count("upload.ready") < 2:
            block = next(second)
            if "event" in block:
                got.append((json.loads(block["data"])["data"]["id"], block["event"]))
    assert received["event"] == "upload.received"
    assert [name for key, name in got if key == upload] == CHAIN[1:]
    assert [name for key, name in got if key == other] == CHAIN


def test_one_process_serves_hundreds_of_streams(system: System, token: str, make_image: MakeImage) -> None:
    head = f"GET /api/events/ HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Token {token}\r\n\r\n"

    async def until_ready(opened: asyncio.Barrier) -> None:
        reader, writer = await asyncio.open_connection(HOST, system.port)
        writer.write(head.encode())
        await reader.readuntil(b"retry: ")
        await opened.wait()
        await reader.readuntil(b"event: upload.ready")
        writer.close()

    async def test() -> None:
        opened = asyncio.Barrier(MANY + 1)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(MANY):
                group.create_task(until_ready(opened))
            await opened.wait()
            await asyncio.to_thread(send, system, token, make_image(seed=162), "to many.jpg")

    # This needs its own thread, because Playwright's event loop runs in this one.
    at_once(lambda: asyncio.run(test()))


def test_tabs_share_one_stream(
    browser: Browser, page: Page, system: System, token: str, make_image: MakeImage
) -> None:
    streams: list[Request] = []
    page.close()  # it may have opened a stream
    page.context.on(
        "request", lambda request: streams.append(request) if "/api/events/" in request.url else None
    )
    first, second = page.context.new_page(), page.context.new_page()
    for tab in (first, second):
        tab.goto(system.url)
    upload = send(system, token, make_image(seed=163), "elsewhere.jpg")
    for tab in (first, second):
        card = tab.locator(f"#upload-{upload}")
        expect(card).to_have_attribute("data-status", "ready", timeout=PATIENCE)
    assert len(streams) == 1

    first.close()
    later = send(system, token, make_image(seed=164), "later.jpg")
    expect(second.locator(f"#upload-{later}")).to_have_attribute("data-status", "ready", timeout=PATIENCE)
    assert len(streams) == 2
