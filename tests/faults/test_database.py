"""PostgreSQL is killed under load: accepted uploads are kept, and all processes recover."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from threading import Event, Thread

import pytest

from tests.faults.person import Answer, Person
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault


@contextmanager
def sending(site: Site, person: Person) -> Iterator[list[Answer]]:
    """Upload pictures one after the other, and return the responses."""
    answers: list[Answer] = []
    stopped = Event()

    def send() -> None:
        while not stopped.is_set():
            try:
                answers.append(person.send(site.pictures.next()))
            except (OSError, HTTPException) as error:
                answers.append(Answer(0, str(error).encode()))

    thread = Thread(target=send)
    thread.start()
    try:
        yield answers
    finally:
        stopped.set()
        thread.join(timeout=180)


@pytest.mark.postgresql  # SQLite has no server to kill.
def test_database_is_killed_and_restarted_under_load(site: Site) -> None:
    person = site.person()
    with sending(site, person) as answers:
        wait_until(lambda: len(answers) > 10)
        for _ in range(2):
            site.kill("database")
            count = len(answers)
            wait_until(lambda count=count: len(answers) > count + 5)  # type: ignore[misc]
            site.start("database")
            count = len(person.sent)
            wait_until(lambda count=count: len(person.sent) > count + 10)  # type: ignore[misc]
    problems = {(answer.status, answer.json()["code"]) for answer in answers if answer.status != 201}
    assert problems == {(503, "database_unavailable")}
    site.wait_until_at_rest()
    # Uploads that were not accepted may have left a file behind.
    site.remove_leftovers()
    site.assert_promise()
