"""Deletions that race with processing: nothing is left behind, and other owners lose nothing."""

import random
import time
from threading import Thread

import pytest

from tests.faults.person import Person
from tests.faults.site import Site

pytestmark = pytest.mark.fault


def test_uploads_are_deleted_during_processing(site: Site) -> None:
    ada, bob = site.person(), site.person()
    shared = [site.pictures.next() for _ in range(12)]
    for data in shared[:6]:
        assert bob.send(data).status == 201
    told_before = count_errors(site)
    threads = [Thread(target=send_and_delete, args=(site, ada, part)) for part in (shared[:6], shared[6:])]
    for thread in threads:
        thread.start()
    for data in shared[6:]:
        assert bob.send(data).status == 201
    for thread in threads:
        thread.join(timeout=180)
    site.wait_until_at_rest()
    assert len(ada.deleted) == 24
    assert {bob.upload(upload)["status"] for upload in bob.sent} == {"ready"}
    assert count_errors(site) == told_before
    site.assert_promise()


def send_and_delete(site: Site, person: Person, shared: list[bytes]) -> None:
    """Send pictures that another owner has sent too, and others. Delete each at a random moment."""
    chance = random.Random(len(person.sent))
    for data in shared:
        for one in (data, site.pictures.next()):
            upload = person.send(one).json()["id"]
            # The moment is between the time before the first step and the time after the last one.
            for _ in range(chance.randrange(12)):
                person.upload(upload)
            person.delete(upload)


# A busy machine reaches time limits, and the previous test may have stopped the database.
OF_OTHER_CAUSES = ("TimeLimitExceeded", "WorkerLostError", "SIGKILL", "OperationalError")


def count_errors(site: Site) -> int:
    """Return the number of errors in the worker's log that a deletion can have caused."""
    lines = site.log("worker").read_text().splitlines()
    errors = [line for line in lines if line.startswith("ERROR ")]
    return sum(not any(cause in line for cause in OF_OTHER_CAUSES) for line in errors)


def test_collector_is_killed_halfway_through_an_original(site: Site) -> None:
    """If the same bytes are sent before the next collection, the original is stored again completely."""
    ada, data = site.person(), site.pictures.next()
    first = ada.send(data).json()
    site.wait_until_at_rest()
    boundary = f"collect.after.{first['content_hash']}"
    site.order(boundary, "kill")
    ada.delete(first["id"])
    site.wait_until_reached(boundary)
    second = ada.send(data)
    assert second.status == 201
    site.wait_until_at_rest()
    assert ada.upload(second.json()["id"])["status"] == "ready"
    site.assert_promise()


def test_deletions_are_undone_at_any_moment(site: Site) -> None:
    """A deletion is undone during the grace period, after it, or while the collector runs.

    The upload is then either complete or gone.
    """
    people = [site.person() for _ in range(3)]
    shared = [site.pictures.next() for _ in range(3)]
    threads = [
        Thread(target=delete_and_restore, args=(site, person, shared, wait))
        for person, wait in zip(people, (0.0, 1.5, 3.0), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    site.wait_until_at_rest()
    restored = [(person, upload) for person in people for upload in person.sent.keys() - person.deleted]
    assert restored
    for person, upload in restored:
        assert person.upload(upload)["status"] == "ready"
    site.assert_promise()


def delete_and_restore(site: Site, person: Person, shared: list[bytes], wait: float) -> None:
    """Send pictures that another owner has sent too, and others. Restore each after a while."""
    chance = random.Random(wait)
    uploads = [
        person.send(data).json()["id"] for data in (*shared, *(site.pictures.next() for _ in range(3)))
    ]
    for _ in range(4):
        for upload in uploads:
            person.delete(upload)
        time.sleep(chance.uniform(wait, wait + 1.5))
        for upload in uploads:
            assert person.restore(upload).status in {200, 404}
