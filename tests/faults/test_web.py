"""A killed web process: accepted uploads are finished, and no other files stay behind."""

import contextlib
import hashlib
import http.client
import os
import socket
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from deploy.ports import HOST
from tests.faults.person import Person, multipart
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault


def send_and_lose_the_answer(site: Site, person: Person, data: bytes) -> None:
    """Upload a file to a web process that is killed meanwhile."""
    with pytest.raises((http.client.HTTPException, OSError)):
        person.send(data)
    wait_until(lambda: not site.runs("web"))


def test_web_process_is_killed_between_commit_and_message(site: Site) -> None:
    person = site.person()
    data = site.pictures.next()
    site.order(f"receive.before_the_message.{hashlib.sha256(data).hexdigest()}", "kill")
    send_and_lose_the_answer(site, person, data)
    site.wait_until_at_rest()
    site.start("web")
    # A sender without a response repeats the upload, and gets the existing one.
    assert (person.send(data).status, len(person.sent)) == (200, 1)
    assert person.upload(next(iter(person.sent)))["status"] == "ready"
    site.assert_promise()


def test_web_process_is_killed_between_file_and_rows(site: Site) -> None:
    person = site.person()
    sent, given_up = site.pictures.next(), site.pictures.next()
    for data in (sent, given_up):
        site.order(f"receive.before_the_rows.{hashlib.sha256(data).hexdigest()}", "kill")
        send_and_lose_the_answer(site, person, data)
        site.start("web")
    assert person.send(sent).status == 201
    site.wait_until_at_rest()
    lost = hashlib.sha256(given_up).hexdigest()
    assert site.violations() == [f"file originals/{lost[:2]}/{lost} belongs to nothing"]
    site.remove_leftovers()
    site.assert_promise()


def replace_and_lose_the_answer(site: Site, person: Person, upload_id: str, data: bytes) -> None:
    """Replace a file in a web process that is killed meanwhile."""
    with pytest.raises((http.client.HTTPException, OSError)):
        person.replace(upload_id, data)
    wait_until(lambda: not site.runs("web"))


def test_web_process_is_killed_between_the_rows_of_a_replaced_file_and_the_message(site: Site) -> None:
    person = site.person()
    person.send(site.pictures.next())
    site.wait_until_at_rest()
    [upload_id] = person.sent
    data = site.pictures.next()
    site.order(f"receive.before_the_message.{hashlib.sha256(data).hexdigest()}", "kill")
    replace_and_lose_the_answer(site, person, upload_id, data)
    site.wait_until_at_rest()
    site.start("web")
    again = person.replace(upload_id, data)
    assert (again.status, again.json()["duplicate"], again.json()["status"]) == (200, True, "ready")
    site.assert_promise()


def test_web_process_is_killed_between_a_replacing_file_and_its_rows(site: Site) -> None:
    person = site.person()
    person.send(site.pictures.next())
    site.wait_until_at_rest()
    [(upload_id, former)] = person.sent.items()
    data, given_up = site.pictures.next(), site.pictures.next()
    for one in (data, given_up):
        site.order(f"receive.before_the_rows.{hashlib.sha256(one).hexdigest()}", "kill")
        replace_and_lose_the_answer(site, person, upload_id, one)
        site.start("web")
        upload = person.upload(upload_id)
        assert (upload["status"], upload["content_hash"]) == ("ready", former)
    assert person.replace(upload_id, data).json()["duplicate"] is False
    site.wait_until_at_rest()
    lost = hashlib.sha256(given_up).hexdigest()
    assert site.violations() == [f"file originals/{lost[:2]}/{lost} belongs to nothing"]
    site.remove_leftovers()
    site.assert_promise()


def test_web_process_is_killed_while_it_receives_a_body(site: Site) -> None:
    person = site.person()
    body, headers = multipart(os.urandom(4_000_000), name="photo.jpg")
    received = site.folder / "var" / "incoming"
    with contextlib.closing(socket.create_connection((HOST, person.port))) as connection:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Authorization: Token {person.token}", f"Content-Length: {len(body)}", f"Host: {HOST}"]
        head = "POST /api/uploads/ HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
        site.kill("web")
    site.start("web")
    assert person.request("GET", "/api/uploads/").json()["results"] == []
    for path in received.iterdir():
        os.utime(path, (0, 0))
    # The collector removes incoming files after a day.
    wait_until(lambda: not any(received.iterdir()))
    site.assert_promise()


def test_web_process_is_frozen_during_an_upload(site: Site) -> None:
    person = site.person()
    site.stop("web")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(person.send, site.pictures.next())
        assert wait([answer], timeout=1).not_done
        site.go_on("web")
        assert answer.result(timeout=180).status == 201
    site.wait_until_at_rest()
    site.assert_promise()
