"""A person who sends photographs to a running system, and notes when each was sent and was ready."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from threading import Event

from tests.faults.person import Person
from tests.system import System

# A comment follows the first marker of a JPEG (ITU-T T.81, B.2.4.5). It makes the bytes new, not the pixels.
_START, _COMMENT = b"\xff\xd8", b"\xff\xfe"
# Seconds in which everything that was sent has to be ready.
_LONGEST = 3600
# Seconds between two checks whether everything is ready. They cost little beside the work.
_PAUSE = 1.0
_TIMES = """
import json
from uploads.models import Upload

def seconds(moment):
    return moment and moment.timestamp()

rows = Upload.objects.filter(owner__username={name!r}).values_list("pk", "thumbnails_ready_at", "ready_at")
print(json.dumps({{str(pk): [seconds(thumbnails), seconds(ready)] for pk, thumbnails, ready in rows}}))
"""


class SystemFailed(Exception):
    """The system did not do what every run needs."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One photograph: when its sending began, and when its thumbnails and all its sizes were ready.

    The times are seconds of one clock, which the processes of a machine share.
    """

    began_at: float
    thumbnails_at: float
    ready_at: float

    @property
    def waited(self) -> float:
        """Return the seconds from the beginning until the person sees the thumbnail."""
        return self.thumbnails_at - self.began_at


class Sender:
    """A person of the system, who sends one photograph again and again, each time with other bytes."""

    def __init__(self, system: System, *, name: str, photograph: bytes) -> None:
        self._system = system
        self._name = name
        self._photograph = photograph
        self._person = Person(name=name, token=_new_token(system, name), session="", port=system.port)
        self._numbers = count()
        self._began_at: dict[str, float] = {}

    def send(self) -> None:
        """Send the next photograph.

        Raises `SystemFailed` if it is not accepted.
        """
        data = with_comment(self._photograph, f"{self._name} {next(self._numbers)}")
        began_at = time.time()
        answer = self._person.send(data)
        if answer.status != HTTPStatus.CREATED:
            raise SystemFailed(
                f"The photograph of {self._name} was answered {answer.status}: {answer.body!r}"
            )
        self._began_at[answer.json()["id"]] = began_at

    def send_batch(self, number: int, *, connections: int) -> None:
        """Send so many photographs over several connections, as the page does with a batch."""
        with ThreadPoolExecutor(connections) as pool:
            for sending in [pool.submit(self.send) for _ in range(number)]:
                sending.result()

    def send_until(self, stopped: Event, *, pause: float, most: int | None = None) -> None:
        """Send one photograph after the other, with pauses."""
        for number in count(1):
            self.send()
            if stopped.wait(pause) or number == most:
                return

    def wait_until_ready(self) -> None:
        """Wait until all uploads of this person are finished.

        Raises `SystemFailed` if they do not finish.
        """
        ends_at = time.monotonic() + _LONGEST
        while not self._is_ready():
            if time.monotonic() > ends_at:
                raise SystemFailed(f"The photographs of {self._name} were not ready within {_LONGEST} s.")
            time.sleep(_PAUSE)

    def sent(self) -> list[Sent]:
        """Return the photographs that were sent since the last call; all must be ready.

        Raises `SystemFailed` if one is not.
        """
        output = run(self._system, "shell", "--no-imports", "--command", _TIMES.format(name=self._name))
        times = json.loads(output)
        began_at, self._began_at = self._began_at, {}
        if not all(all(times[upload]) for upload in began_at):
            raise SystemFailed(f"Not every photograph of {self._name} became ready.")
        return [Sent(began, *times[upload]) for upload, began in began_at.items()]

    def _is_ready(self) -> bool:
        pages = [
            self._person.request("GET", f"/api/uploads/?status={status}").json()
            for status in ("pending", "processing")
        ]
        return not any(page["results"] for page in pages)


def with_comment(photograph: bytes, text: str) -> bytes:
    """Return a JPEG with a comment."""
    comment = text.encode()
    length = (len(comment) + 2).to_bytes(2, "big")
    return _START + _COMMENT + length + comment + photograph.removeprefix(_START)


def _new_token(system: System, name: str) -> str:
    """Create a person, and return a token."""
    create = f"from django.contrib.auth.models import User; User.objects.create_user({name!r})"
    run(system, "shell", "--no-imports", "--command", create)
    return run(system, "drf_create_token", name).split()[2]


def run(system: System, *arguments: str) -> str:
    """Return the output of a management command.

    Raises `SystemFailed`.
    """
    done = system.manage(*arguments)
    if done.returncode:
        raise SystemFailed(done.stderr)
    return done.stdout
