"""Workers that are killed and frozen at every boundary of every step: all accepted uploads are finished."""

from collections.abc import Sequence
from typing import cast

import pytest

from tests.faults.person import Person
from tests.faults.site import Site
from tests.processing.mortal import BOUNDARIES
from tests.system import wait_until

pytestmark = pytest.mark.fault

STEPS = ("generate_thumbnails", "resize_image")


def send(site: Site, person: Person, count: int = 1) -> list[str]:
    """Upload new pictures, and return their content hashes."""
    answers = [person.send(site.pictures.next()) for _ in range(count)]
    assert {answer.status for answer in answers} == {201}
    return [answer.json()["content_hash"] for answer in answers]


def test_worker_process_is_killed_at_every_boundary(site: Site) -> None:
    person = site.person()
    site.stop("worker")
    names = [f"{step}.{boundary}" for step in STEPS for boundary in (*BOUNDARIES, "before_the_next")]
    hashes = send(site, person, len(names))
    boundaries = [f"{name}.{content_hash}" for name, content_hash in zip(names, hashes, strict=True)]
    send(site, person, 2)
    notices = zip(("before", "after"), list(person.sent)[-2:], strict=True)
    boundaries += [f"notify_owner.{when}.{upload}" for when, upload in notices]
    for boundary in boundaries:
        site.order(boundary, "kill")
    site.go_on("worker")
    for boundary in boundaries:
        site.wait_until_reached(boundary)
    site.wait_until_at_rest()
    remove_unfinished_files(site)
    site.assert_promise()


def test_main_process_of_a_worker_is_killed_during_a_step(site: Site) -> None:
    person = site.person()
    site.stop("worker")
    boundary = f"resize_image.after_the_first_file.{send(site, person)[0]}"
    site.order(boundary, "stop")
    site.go_on("worker")
    site.wait_until_reached(boundary)
    site.kill("worker", alone=True)
    # The child processes end together with the main process.
    wait_until(lambda: not site.group("worker"))
    site.start("worker")
    site.wait_until_at_rest()
    site.assert_promise()


def test_frozen_worker_resumes_after_its_lease(site: Site) -> None:
    """The worker uses threads, which no time limit ends."""
    person = site.person()
    site.end("worker")
    site.start("threads")
    boundary = f"resize_image.after_the_first_file.{send(site, person)[0]}"
    site.order(boundary, "stop")
    site.wait_until_reached(boundary)
    site.start("worker")
    site.wait_until_at_rest()
    files = fingerprints(site)
    site.go_on("threads")
    site.wait_until_at_rest()
    site.end("threads")
    assert fingerprints(site) == files
    site.assert_promise()


def test_picture_kills_its_workers(site: Site) -> None:
    person = site.person()
    site.stop("worker")
    # Memory that runs out, a bug in a decoder, and an endless loop that the time limit ends.
    poisons = dict(zip(send(site, person, 10), ("kill", "crash", "stop"), strict=False))
    boundaries = [f"generate_thumbnails.after_the_lease.{content_hash}" for content_hash in poisons]
    for boundary, how in zip(boundaries, poisons.values(), strict=True):
        site.order(boundary, f"{how} always")
    site.go_on("worker")
    site.wait_until_at_rest()
    assert [len(site.reached(boundary)) for boundary in boundaries] == [3, 3, 3]
    failed = {upload for upload, content_hash in person.sent.items() if content_hash in poisons}
    for upload in person.sent:
        described = person.upload(upload)
        assert described["status"] == ("failed" if upload in failed else "ready")
        assert (described["error"] or {}).get("code") == ("processing_failed" if upload in failed else None)
    site.assert_promise()


@pytest.mark.redis
def test_every_message_is_delivered_five_times(site: Site) -> None:
    people = [site.person(), site.person()]
    site.stop("worker")
    for person in people:
        send(site, person, 8)
    with site.redis() as redis:
        # The frozen worker may already have taken one message.
        messages = cast("list[bytes]", redis.lrange("thumbnails", 0, -1))
        assert len(messages) >= 15
        redis.lpush("thumbnails", *4 * messages)
    site.start("second")
    site.go_on("worker")
    site.wait_until_at_rest()
    assert all(person.upload(upload)["status"] == "ready" for person in people for upload in person.sent)
    site.end("second")
    site.assert_promise()


def test_two_beats_run_at_once(site: Site) -> None:
    person = site.person()
    site.start("beat2")
    send(site, person, 10)
    site.wait_until_at_rest()
    site.kill("beat2")
    site.assert_promise()


def test_two_forced_reprocess_runs_at_once_change_no_file(site: Site) -> None:
    person = site.person()
    send(site, person, 10)
    site.wait_until_at_rest()
    files, told = fingerprints(site), notices(site)
    # The second command starts while the first one still queues.
    with site.background("manage.py", "reprocess", "--all", "--owner", person.name, "--force") as first:
        site.manage("reprocess", "--all", "--owner", person.name, "--force")
        assert first.wait(timeout=180) == 0
    site.wait_until_at_rest()
    assert fingerprints(site) == files
    assert notices(site) == told
    site.assert_promise()


def fingerprints(site: Site) -> Sequence[tuple[object, ...]]:
    """Return the key and the digest of every rendition."""
    return sorted(site.rows("SELECT key, digest FROM processing_rendition"))


def notices(site: Site) -> Sequence[tuple[object, ...]]:
    """Return every event and notice."""
    return sorted(
        [
            *site.rows("SELECT 'event', cast(id AS text) FROM uploads_event"),
            *site.rows("SELECT 'notice', cast(id AS text) FROM uploads_delivery"),
        ]
    )


def remove_unfinished_files(site: Site) -> None:
    """Remove partial files of killed processes, as the nightly task does after a day."""
    unfinished = [path for path in site.media.rglob("*") if path.name.endswith(".part")]
    assert unfinished
    site.remove_leftovers()
    assert not any(path.exists() for path in unfinished)
