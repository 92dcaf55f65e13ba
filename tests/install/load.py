"""Visitors of a site: `python -m tests.install.load NAME REQUESTS`, with the people as JSON on stdin.

They browse, upload small and large images, make links and follow their events, until they have sent so many
requests and every upload is ready. The report is JSON on standard output.
"""

import http.client
import io
import json
import os
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import count
from typing import Any

from PIL import Image

from deploy.ports import HOST
from tests.faults.person import Person, multipart

BROWSERS, SLOW_SENDERS, LARGE_EACH = 10, 2, 6
# Every so many requests of a browser, it uploads an image, makes a link or opens the page.
_UPLOAD_EVERY, _LINK_EVERY, _PAGE_EVERY = 100, 25, 20
_MEGABYTE = 1 << 20
# A large upload sends its pieces with these pauses: some six seconds, longer than a process takes to restart.
_PIECE, _PAUSE = _MEGABYTE // 4, 0.15
_READY_WITHIN = 120.0


class Visitors:
    """All visitors, what the site answered them, and what they have seen."""

    def __init__(self, *, name: str, people: list[Person], requests: int) -> None:
        self._name = name
        self._people = people
        self._requests = self._left = requests
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._answers: Counter[str] = Counter()
        self._links = self._large = 0
        self._uploads: dict[str, str] = {}  # the owner by the upload
        self._ready: Counter[str] = Counter()  # how often an upload was reported as ready
        self._disorder: list[str] = []
        # The certificate of the tests is self-signed.
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def run(self) -> None:
        """Send all requests, and wait until every upload is reported as ready to its owner."""
        for person in self._people:
            threading.Thread(target=self._follow, args=(person,), daemon=True).start()
        work = [self._browse] * BROWSERS + [self._send_slowly] * SLOW_SENDERS
        with ThreadPoolExecutor(len(work)) as visitors:
            started = [
                visitors.submit(job, self._people[number % len(self._people)])
                for number, job in enumerate(work)
            ]
            for job in started:
                job.result()
        ends_at = time.monotonic() + _READY_WITHIN
        while self._unready() and time.monotonic() < ends_at:
            time.sleep(0.1)
        self._finished.set()

    def report(self) -> dict[str, Any]:
        """Return what the visitors saw."""
        return {
            "answers": dict(self._answers),
            "people": len(self._people),
            "uploads": [*self._uploads],
            "links": self._links,
            "large": self._large,
            "unready": self._unready(),
            "repeated": [upload for upload, times in self._ready.items() if times > 1],
            "disorder": self._disorder,
        }

    def _unready(self) -> list[str]:
        return [upload for upload in self._uploads if not self._ready[upload]]

    def _turns(self) -> Iterator[int]:
        """Yield the numbers of a visitor's requests, as long as any are left."""
        for number in count():
            with self._lock:
                if self._left <= 0:
                    return
                self._left -= 1
            yield number

    def _note(self, what: str, expected: set[int], ask: Callable[[], tuple[int, bytes]]) -> bytes:
        """Send a request, count its answer, and return the body if the answer is expected."""
        try:
            status, body = ask()
        except (OSError, http.client.HTTPException) as error:
            status, body = 0, repr(error).encode()
        reason = "" if status in expected else f" {body[:200]!r}"
        with self._lock:
            self._answers[f"{what} {status}{reason}"] += 1
        return b"" if reason else body

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(HOST, 443, context=self._tls, timeout=180)

    def _headers(self, person: Person) -> dict[str, str]:
        return {"Host": self._name, "Authorization": f"Token {person.token}"}

    def _browse(self, person: Person) -> None:
        headers = self._headers(person)
        cookie = {"Host": self._name, "Cookie": f"sessionid={person.session}"}
        as_json = {**headers, "Content-Type": "application/json"}
        with closing(self._connection()) as connection:

            def ask(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                return response.status, response.read()

            private = self._upload(person, _picture(400, 300, "JPEG"), "small upload", visibility="private")
            shown = self._upload(person, _picture(400, 300, "JPEG"), "small upload")
            for number in self._turns():
                if number % _UPLOAD_EVERY == 0:
                    shown = self._upload(person, _picture(400, 300, "JPEG"), "small upload") or shown
                elif number % _LINK_EVERY == 1:
                    path = f"/api/uploads/{private}/links/"
                    if self._note("link", {201}, partial(ask, "POST", path, as_json, b"{}")):
                        with self._lock:
                            self._links += 1
                elif number % _PAGE_EVERY == 2:
                    self._note("page", {200}, partial(ask, "GET", "/", cookie))
                elif number % 2:
                    # 202 is the placeholder of a new image.
                    self._note("picture", {200, 202}, partial(ask, "GET", f"/i/{shown}/small", headers))
                else:
                    self._note("image", {200}, partial(ask, "GET", f"/api/uploads/{shown}/", headers))

    def _send_slowly(self, person: Person) -> None:
        """Send large images, evenly among the other requests."""
        for before in range(LARGE_EACH):
            while self._left > self._requests * (1 - before / LARGE_EACH):
                time.sleep(0.1)
            data = _picture(2000, 1750, "PNG")
            assert len(data) > 10 * _MEGABYTE
            self._upload(person, data, "large upload", pause=_PAUSE)
            with self._lock:
                self._large += 1

    def _upload(
        self, person: Person, data: bytes, what: str, *, visibility: str = "unlisted", pause: float = 0.0
    ) -> str:
        """Upload a new file, and return the id of the upload."""
        body, headers = multipart(data, name=f"{what}.jpg")
        boundary = body.partition(b"\r\n")[0]
        field = f'Content-Disposition: form-data; name="visibility"\r\n\r\n{visibility}'.encode()
        body = b"\r\n".join([boundary, field, body])

        def ask() -> tuple[int, bytes]:
            with closing(self._connection()) as connection:
                connection.putrequest("POST", "/api/uploads/", skip_host=True)
                for header in {**self._headers(person), **headers, "Content-Length": str(len(body))}.items():
                    connection.putheader(*header)
                connection.endheaders()
                for start in range(0, len(body), _PIECE):
                    connection.send(body[start : start + _PIECE])
                    time.sleep(pause)
                response = connection.getresponse()
                return response.status, response.read()

        # A repeated request would find the upload of the first one, and get 200.
        answer = self._note(what, {201}, ask)
        if not answer:
            return ""
        upload = str(json.loads(answer)["id"])
        with self._lock:
            self._uploads[upload] = person.name
        return upload

    def _follow(self, person: Person) -> None:
        """Follow a person's events, and reconnect like a browser."""
        last = 0
        while not self._finished.is_set():
            resumed = {"Last-Event-ID": str(last)} if last else {}
            with closing(self._connection()) as connection:
                try:
                    connection.request("GET", "/api/events/", headers={**self._headers(person), **resumed})
                    response = connection.getresponse()
                    with self._lock:
                        self._answers[f"stream {response.status}"] += 1
                    last = self._read(response, last)
                except (OSError, http.client.HTTPException) as error:
                    with self._lock:
                        self._answers[f"stream {error!r}"] += 1

    def _read(self, response: http.client.HTTPResponse, last: int) -> int:
        """Read a stream to its end, and return the id of its last event."""
        name = ""
        for line in iter(response.readline, b""):
            field, _, value = line.decode().strip().partition(": ")
            if field == "id":
                if int(value) < last:
                    self._disorder.append(f"{value} after {last}")
                last = int(value)
            elif field == "event":
                name = value
            elif field == "data" and name == "upload.ready":
                with self._lock:
                    self._ready[json.loads(value)["data"]["id"]] += 1
        return last


def _picture(width: int, height: int, file_format: str) -> bytes:
    """Return an image of noise, like no other. A PNG is not compressed, so that it is large."""
    size = (width // 8, height // 8)
    file = io.BytesIO()
    noise = Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3))
    noise.resize((width, height)).save(file, file_format, compress_level=0)
    return file.getvalue()


def main() -> None:
    """Run the visitors, and write what they saw."""
    name, requests = sys.argv[1:]
    # They are connected to nginx, not to a port of their own.
    people = [Person(port=0, **person) for person in json.load(sys.stdin)]
    visitors = Visitors(name=name, people=people, requests=int(requests))
    visitors.run()
    sys.stdout.write(json.dumps(visitors.report()))
    sys.stdout.flush()
    os._exit(0)  # the threads that follow events still read


if __name__ == "__main__":
    main()
