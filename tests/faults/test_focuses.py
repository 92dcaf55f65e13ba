"""Focal points that are set during processing, while processes are killed."""

import random
from http.client import HTTPException
from threading import Thread
from typing import Any

import pytest

from tests.faults.person import Person
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault

PLACES = (0.0, 0.25, 1.0)


def thumbnails(upload: Any) -> set[str]:
    """Return the last part of the names in an upload's thumbnail URLs, without their formats."""
    urls = [row["url"] for row in upload["renditions"] if row["preset"] == "thumb"]
    return {url.rpartition(".")[0].rpartition("-")[2] for url in urls}


def point_of(upload: Any) -> str:
    """Return an upload's focal point as it appears in a URL."""
    return ".".join(str(round(upload["focus"][side] * 1000)) for side in ("x", "y"))


def look_here_and_there(person: Person, data: bytes) -> None:
    """Send a picture, and change its focal point at random moments before, during and after processing."""
    chance = random.Random(len(person.sent) + len(person.name))
    upload = person.send(data).json()["id"]
    for _ in range(6):
        for _ in range(chance.randrange(6)):
            person.upload(upload)
        x, y = chance.choice(PLACES), chance.choice(PLACES)
        assert person.look_at(upload, x=x, y=y).status == 200


def test_two_owners_set_focal_points_during_processing(site: Site) -> None:
    people, pictures = [site.person(), site.person()], [site.pictures.next() for _ in range(8)]
    for data in pictures:
        threads = [Thread(target=look_here_and_there, args=(person, data)) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=180)
    # No task waits for the queues to become empty, or for the sweeper.
    site.wait_until_at_rest()
    for person in people:
        for sent in person.sent:
            upload = person.upload(sent)
            assert upload["status"] == "ready"
            assert thumbnails(upload) == {point_of(upload)}
    site.assert_promise()


BOUNDARIES = ("after_the_lease", "after_the_first_file", "before_the_commit", "after_the_commit")


def test_worker_is_killed_while_it_renders_a_focal_point(site: Site) -> None:
    ada = site.person()
    sent = [ada.send(site.pictures.next()).json() for _ in BOUNDARIES]
    site.wait_until_at_rest()
    names = [
        f"generate_thumbnails.{boundary}.{upload['content_hash']}"
        for boundary, upload in zip(BOUNDARIES, sent, strict=True)
    ]
    for name, upload in zip(names, sent, strict=True):
        site.order(name, "kill")
        assert ada.look_at(upload["id"], x=0.0, y=1.0).status == 200
    for name in names:
        site.wait_until_reached(name)
    site.wait_until_at_rest()
    assert [thumbnails(ada.upload(upload["id"])) for upload in sent] == [{"0.1000"}] * len(sent)
    site.assert_promise()


def test_web_server_is_killed_before_it_queues_a_focal_point(site: Site) -> None:
    ada = site.person()
    sent = ada.send(site.pictures.next()).json()
    site.wait_until_at_rest()
    site.order(f"receive.before_the_message.{sent['content_hash']}", "kill")
    with pytest.raises((OSError, HTTPException)):
        ada.look_at(sent["id"], x=0.0, y=1.0)
    wait_until(lambda: not site.runs("web"))
    site.wait_until_at_rest()
    site.start("web")
    assert thumbnails(ada.upload(sent["id"])) == {"0.1000"}
    site.assert_promise()
