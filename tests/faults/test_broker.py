"""Redis that is killed, emptied, unavailable, stalled or made a replica: no upload is lost."""

import time
from typing import cast

import pytest

from tests.faults.person import Answer
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault

# The number of uploads in a full queue.
FULL = 80
# Seconds. The longest time-out of a connection to Redis is five.
LONGER = 8
READY = "SELECT count(*) FROM uploads_upload WHERE status = 'ready'"


def count_ready(site: Site) -> int:
    count: int = site.rows(READY)[0][0]
    return count


@pytest.mark.redis
def test_redis_is_killed_and_loses_a_full_queue(site: Site) -> None:
    # There are so many owners that no upload is held back.
    people = [site.person() for _ in range(20)]
    site.stop("worker")
    for number in range(FULL):
        assert people[number % 20].send(site.pictures.next()).status == 201
    with site.redis() as redis:
        # The frozen worker may already have taken one message.
        assert cast("int", redis.llen("thumbnails")) >= FULL - 1
    before = count_ready(site)
    site.kill("redis")
    site.start("redis")
    site.go_on("worker")
    wait_until(lambda: count_ready(site) > before)
    site.wait_until_at_rest()
    assert count_ready(site) == before + FULL
    site.assert_promise()


def test_uploads_succeed_while_redis_is_unavailable(site: Site) -> None:
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


def test_requests_succeed_while_redis_stalls(site: Site) -> None:
    person = site.person()
    assert person.send(site.pictures.next()).status == 201
    site.stop("redis")
    answers: list[Answer] = []
    for _ in range(3):
        answers += [person.send(site.pictures.next()), person.page(), person.request("GET", "/healthz")]
    assert {answer.status for answer in answers} == {200, 201}
    # All responses came before Redis continued.
    site.go_on("redis")
    site.wait_until_at_rest()
    site.assert_promise()


def test_redis_stalls_for_longer_than_any_time_out(site: Site) -> None:
    """Workers and beat reconnect automatically, and their unfinished work is done."""
    person = site.person()
    for _ in range(20):
        person.send(site.pictures.next())
    site.stop("redis")
    time.sleep(LONGER)
    person.send(site.pictures.next())
    site.go_on("redis")
    site.wait_until_at_rest()
    site.assert_promise()


def test_redis_is_a_replica_for_a_while(site: Site) -> None:
    """Redis ends the waiting of workers with UNBLOCKED, and refuses all writes with READONLY."""
    person = site.person()
    # The renderer of a new web process may still be starting.
    wait_until(lambda: person.send(site.pictures.next()).status == 201)
    site.wait_until_at_rest()
    processes = {name: site.pid(name) for name in ("web", "worker", "beat")}
    with site.redis() as redis:
        redis.replicaof("127.0.0.1", 1)
        answers = [person.send(site.pictures.next()) for _ in range(6)]
        assert {answer.status for answer in answers} == {201}
        assert person.page().status == 200
        wait_until(lambda: "READONLY" in site.log("beat").read_text())
        before = count_ready(site)
        redis.replicaof("NO", "ONE")
    wait_until(lambda: count_ready(site) > before)
    site.wait_until_at_rest()
    assert set(processes) <= set(site.running())
    assert processes == {name: site.pid(name) for name in processes}
    site.assert_promise()
