"""PostgreSQL is killed, frozen or read-only: accepted uploads are kept, and all processes recover."""

import http.client
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import pytest

from deploy.ports import HOST
from tests.faults.person import Answer, Person
from tests.faults.site import Site
from tests.postgresql import PostgreSQL
from tests.system import wait_until

# SQLite has no server.
pytestmark = [pytest.mark.fault, pytest.mark.postgresql]


class Response(NamedTuple):
    """A response with its headers."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


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


def get(person: Person, path: str) -> Response:
    """Get a path with the person's session. Nothing may wait for longer than half a minute."""
    with closing(http.client.HTTPConnection(HOST, person.port, timeout=30)) as connection:
        connection.request("GET", path, headers={"Cookie": f"sessionid={person.session}"})
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())


def get_at_once(person: Person, paths: list[str]) -> list[Response]:
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(partial(get, person), paths))


def paths_of(person: Person) -> list[str]:
    """Return the paths of a ready upload that need the database."""
    upload: dict[str, Any] = person.upload(next(iter(person.sent)))
    rendition = upload["renditions"][0]["url"].partition(f":{person.port}")[2]
    picture = f"/i/{upload['id']}/thumb"
    return ["/", picture, rendition, f"/uploads/{upload['id']}/original", "/metrics", "/api/uploads/"]


def assert_unavailable(response: Response) -> None:
    assert response.status == 503, response.body
    assert response.headers["Retry-After"] == "60"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.body)["code"] == "database_unavailable"


def send_until_ready(site: Site, person: Person, count: int) -> None:
    for _ in range(count):
        assert person.send(site.pictures.next()).status == 201
    site.wait_until_at_rest()


@contextmanager
def frozen_database(site: Site) -> Iterator[None]:
    """Freeze the server with all its processes. Each leads a process group of its own."""
    server = site.pid("database")
    os.kill(server, signal.SIGSTOP)
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    processes = [int(pid) for pid in children]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in [*processes, server]:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def read_only_database(site: Site) -> Iterator[None]:
    """Let the server refuse writes."""
    server = site.database
    assert isinstance(server, PostgreSQL)
    server.refuse_writes(on=True)
    try:
        wait_until(lambda: server.rows("SHOW transaction_read_only") == [("on",)])
        yield
    finally:
        server.refuse_writes(on=False)
        wait_until(lambda: server.rows("SHOW transaction_read_only") == [("off",)])


def files_of(site: Site) -> set[Path]:
    """Return all stored files, and those that are being received."""
    folders = (site.media / "originals", site.folder / "var" / "incoming")
    return {path for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_frozen_or_stopped_database_holds_no_request(site: Site) -> None:
    person = site.person()
    send_until_ready(site, person, 1)
    paths = paths_of(person)
    assert [response.status for response in get_at_once(person, paths)] == [200] * len(paths)
    with frozen_database(site):
        for response in get_at_once(person, paths):
            assert_unavailable(response)
        assert get(person, "/readyz").status == 503
    wait_until(lambda: get(person, "/readyz").status == 200)
    send_until_ready(site, person, 1)
    site.kill("database")
    for response in get_at_once(person, paths):
        assert_unavailable(response)
    site.start("database")
    wait_until(lambda: get(person, "/readyz").status == 200)
    assert [response.status for response in get_at_once(person, paths)] == [200] * len(paths)
    send_until_ready(site, person, 1)
    site.assert_promise()


def test_read_only_database_shows_pictures_and_refuses_uploads(site: Site) -> None:
    person = site.person()
    send_until_ready(site, person, 1)
    paths, files = paths_of(person), files_of(site)
    with read_only_database(site):
        for _ in range(3):
            answer = person.send(site.pictures.next())
            assert (answer.status, answer.json()["code"]) == (503, "database_unavailable")
        assert files_of(site) == files
        assert [response.status for response in get_at_once(person, paths)] == [200] * len(paths)
        assert person.request("GET", "/api/uploads/").status == 200
        wait_until(lambda: "refuses writes" in json.loads(get(person, "/readyz").body)["checks"]["writes"])
        assert get(person, "/readyz").status == 200
    send_until_ready(site, person, 2)
    site.assert_promise()


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
