"""Redis that is killed, emptied, away and stalled: it only carries hints."""

import time
from typing import cast

import pytest

from tests.faults.person import Answer
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault

# Uploads in a queue that is full.
FULL = 80
# Seconds: the longest time-out of a connection to Redis is five.
LONGER = 8
READY = "SELECT count(*) FROM uploads_upload WHERE status = 'ready'"


def count_ready(site: Site) -> int:
    count: int = site.rows(READY)[0][0]
    return count


@pytest.mark.redis
def test_redis_killed_and_emptied_with_a_full_queue(site: Site) -> None:
    # So many people that nobody's uploads are held back.
    people = [site.person() for _ in range(20)]
    site.stop("worker")
    for number in range(FULL):
        assert people[number % 20].send(site.pictures.next()).status == 201
    with site.redis() as redis:
        # The frozen worker may have one of them in its hands already.
        assert cast("int", redis.llen("thumbnails")) >= FULL - 1
    before = count_ready(site)
    site.kill("redis")
    site.start("redis")
    site.go_on("worker")
    wait_until(lambda: count_ready(site) > before)
    site.wait_until_at_rest()
    assert count_ready(site) == before + FULL
    site.assert_promise()


def test_uploads_while_redis_is_away(site: Site) -> None:
    person = site.person()
    site.kill("redis")
    answers = [person.send(site.pictures.next()) for _ in range(6)]
    assert {answer.status for answer in answers} == {201}
    assert person.page().status == 200
    before = count_ready(site)
    site.start("redis")
    wait_until(lambda: count_ready(site) > before)
    site.wait_until_at_rest()
    site.assert_promise()


def test_a_stalled_redis(site: Site) -> None:
    person = site.person()
    assert person.send(site.pictures.next()).status == 201
    site.stop("redis")
    answers: list[Answer] = []
    for _ in range(3):
        answers += [person.send(site.pictures.next()), person.page(), person.request("GET", "/healthz")]
    assert {answer.status for answer in answers} == {200, 201}
    # All of them came before Redis went on.
    site.go_on("redis")
    site.wait_until_at_rest()
    site.assert_promise()


def test_redis_stalled_for_longer_than_any_time_out(site: Site) -> None:
    """Workers and beat connect again by themselves, and what they held is done."""
    person = site.person()
    for _ in range(20):
        person.send(site.pictures.next())
    site.stop("redis")
    time.sleep(LONGER)
    person.send(site.pictures.next())
    site.go_on("redis")
    site.wait_until_at_rest()
    site.assert_promise()
