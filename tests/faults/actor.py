"""A user of the soak test, who acts at random, and asks again until each outcome is known."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from random import Random
from threading import Event

from tests.faults.person import Answer, Person

# Bytes appended to good files of these formats do not change the picture. They may complete a truncated one.
EXTENSIBLE = {".jpg", ".png"}
ACTIONS = {"send": 14, "delete": 3, "restore": 2, "reprocess": 2, "aim": 2, "look": 1}
NO_ANSWER = Answer(0, b"")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may change something. Without one of the `known` statuses, its outcome is unknown.

    `note` records the outcome.
    """

    name: str
    ask: Callable[[], Answer]
    known: frozenset[int]
    upload: str = ""
    note: Callable[[Answer], None] = lambda _answer: None


class Actor:
    """A user who acts at random, by a seeded generator."""

    def __init__(self, *, person: Person, files: list[tuple[Path, str]], random: Random) -> None:
        self.person = person
        self.counts: Counter[str] = Counter()
        # The expected outcome of each accepted file, as the corpus states it, by its SHA-256.
        self.expected: dict[str, str] = {}
        # Requests whose outcome is unknown.
        self.unknown: deque[Request] = deque()
        # Uploads that were deleted, until an older database brought them back. Their files may be purged.
        self._purged: set[str] = set()
        self._files = files
        self._random = random

    def act_until(self, stopped: Event) -> None:
        """Do one action after the other."""
        while not stopped.is_set():
            if not self.settle():
                self._act()
            stopped.wait(self._random.uniform(0.05, 0.4))

    def settle(self) -> bool:
        """Ask again for an unknown outcome; return whether there was one."""
        if not self.unknown:
            return False
        self._make(self.unknown.popleft())
        return True

    def _act(self) -> None:
        action = self._random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        request: Request | None = getattr(self, f"_{action}")()
        if request is not None:
            self._make(request)

    def _make(self, request: Request) -> None:
        try:
            answer = request.ask()
        except (OSError, HTTPException):
            answer = NO_ANSWER
        self.counts[f"{request.name}: {answer.status or 'no answer'}"] += 1
        if request.known and answer.status not in request.known:
            self.unknown.appendleft(request)
        else:
            request.note(answer)

    def _send(self) -> Request:
        path, expected = self._random.choice(self._files)
        data = path.read_bytes()
        if path.suffix in EXTENSIBLE and expected == "accept" and self._random.random() < 0.7:
            data += self._random.randbytes(8)

        def note(answer: Answer) -> None:
            if answer.status in {200, 201}:
                self.expected[hashlib.sha256(data).hexdigest()] = expected

        known = frozenset({200, 201, 400, 413, 415, 422})
        return Request("send", lambda: self.person.send(data, name=path.name), known, note=note)

    def _delete(self) -> Request | None:
        upload = self._one_of_mine()
        return self.deletion(upload) if upload else None

    def deletion(self, upload: str) -> Request:
        """Return the request to delete an upload. It has happened if there is no such upload."""

        def note(_answer: Answer) -> None:
            self.person.deleted.add(upload)

        known = frozenset({204, 404})
        return Request("delete", lambda: self.person.delete(upload), known, upload, note)

    def _restore(self) -> Request | None:
        deleted = sorted(self.person.deleted - self._purged)
        if not deleted:
            return None
        upload = self._random.choice(deleted)
        known = frozenset({200, 404, 409})
        return Request("restore", lambda: self.person.restore(upload), known, upload)

    def _aim(self) -> Request | None:
        upload = self._one_of_mine()
        if upload is None:
            return None
        # Few points make it likely that users who share an original also share a point.
        x, y = (self._random.choice((0.2, 0.8)) for _ in range(2))
        return Request("aim", lambda: self.person.look_at(upload, x=x, y=y), frozenset())

    def _reprocess(self) -> Request | None:
        upload = self._one_of_mine()
        return Request("reprocess", lambda: self.person.reprocess(upload), frozenset()) if upload else None

    def _look(self) -> Request:
        return Request("look", lambda: self.person.request("GET", "/api/uploads/"), frozenset())

    def _one_of_mine(self) -> str | None:
        mine = self.live()
        return self._random.choice(mine) if mine else None

    def live(self) -> list[str]:
        """Return the ids of the uploads that certainly exist."""
        unsure = {request.upload for request in self.unknown}
        return sorted(self.person.sent.keys() - self.person.deleted - unsure)

    def note_restoration(self, known: set[str]) -> None:
        """Go on with an older database, in which only these uploads live.

        Those that were deleted since its backup are deleted again, and stay deleted.
        """
        for upload in self.person.sent.keys() - known:
            del self.person.sent[upload]
        again = sorted(self.person.deleted & known)
        self.person.deleted.clear()
        self._purged.update(again)
        self.unknown.extend(self.deletion(upload) for upload in again)
