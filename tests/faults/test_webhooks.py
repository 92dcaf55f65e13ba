"""Endpoints whose responses are lost or that are down: every event arrives, always under the same id."""

import json
from collections import defaultdict
from collections.abc import Callable

import pytest

from tests.faults.hooks import WAITING, subscribe
from tests.faults.person import Person
from tests.faults.site import Site
from tests.receiver import Received, Receiver, hang_up, receiving
from tests.system import wait_until

pytestmark = pytest.mark.fault

CHAIN = ["upload.received", "upload.thumbnails_ready", "upload.ready"]
FAILED_ATTEMPTS = "SELECT coalesce(max(failures), 0) FROM uploads_endpoint WHERE url = '{url}'"


def by_id(requests: list[Received]) -> dict[str, list[Received]]:
    found = defaultdict(list)
    for request in requests:
        found[request.id].append(request)
    return found


def assert_each_event_under_one_id(person: Person, receiver: Receiver, secret: str) -> None:
    """Assert that every event arrived signed, and that repeats have the same id and body."""
    events = []
    for repeats in by_id(receiver.requests).values():
        assert len({request.body for request in repeats}) == 1
        event = json.loads(repeats[-1].body)
        assert all(request.verify(secret) == event for request in repeats)
        events.append((event["data"]["id"], event["type"]))
    assert sorted(events) == sorted((upload, name) for upload in person.sent for name in CHAIN)


def all_delivered(site: Site) -> Callable[[], bool]:
    return lambda: site.rows(WAITING) == [(0,)]


def test_webhook_with_a_lost_response_is_repeated_under_its_id(site: Site) -> None:
    person = site.person()
    with receiving() as receiver:
        receiver.instead = hang_up
        secret = subscribe(person, receiver.url)
        for _ in range(3):
            assert person.send(site.pictures.next()).status == 201
        wait_until(lambda: receiver.requests)
        receiver.instead = None
        wait_until(all_delivered(site))
        assert any(len(repeats) > 1 for repeats in by_id(receiver.requests).values())
        assert_each_event_under_one_id(person, receiver, secret)
    site.wait_until_at_rest()
    site.assert_promise()


def test_endpoint_that_is_down_for_an_hour_receives_every_event(site: Site) -> None:
    person = site.person()
    with receiving() as receiver:
        url = receiver.url
    secret = subscribe(person, url)
    for _ in range(3):
        assert person.send(site.pictures.next()).status == 201
    wait_until(lambda: site.rows(FAILED_ATTEMPTS.format(url=url))[0][0] >= 2)
    assert not all_delivered(site)()
    site.module("tests.faults.an_hour_later", stdin="")
    with receiving(port=int(url.rpartition(":")[2].partition("/")[0])) as receiver:
        wait_until(all_delivered(site))
        assert_each_event_under_one_id(person, receiver, secret)
    site.wait_until_at_rest()
    site.assert_promise()
