"""A soak test of a running site: break it, restore an older database meanwhile, then check everything."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from tests.faults import hooks, restoring
from tests.faults.actor import Actor
from tests.faults.chaos import Chaos
from tests.faults.hooks import Hooks
from tests.faults.person import Person
from tests.faults.site import Site

# Seconds in which all work must be finished once everything runs again.
REST = 900
# The uploads that must live at the end of a run of so many seconds. Fewer would prove little.
LIVE, LONG = 200, 600
PROGRESS = """
    SELECT (SELECT coalesce(max(id), 0) FROM uploads_event),
        (SELECT count(*) FROM uploads_upload WHERE deleted_at IS NULL AND status IN ('pending', 'processing'))
"""
OUTCOMES = """
    SELECT content_hash, status, error_code FROM uploads_upload
    JOIN processing_original ON processing_original.id = uploads_upload.original_id WHERE deleted_at IS NULL
"""
UPLOADS = """
    SELECT cast(uploads_upload.id AS text), username, content_hash, deleted_at IS NULL FROM uploads_upload
    JOIN auth_user ON auth_user.id = uploads_upload.owner_id
    JOIN processing_original ON processing_original.id = uploads_upload.original_id
"""


class Watch:
    """Measure the longest time in which nothing was finished although work was waiting."""

    def __init__(self, site: Site) -> None:
        self.longest = 0.0
        self._site = site

    def watch_until(self, stopped: Event) -> None:
        """Poll the database. While it is unavailable, nothing counts as finished."""
        moved_at, finished = time.monotonic(), -1
        while not stopped.wait(0.25):
            with contextlib.suppress(Exception):
                count, waiting = self._site.rows(PROGRESS)[0]
                if count != finished or not waiting:
                    moved_at, finished = time.monotonic(), count
            self.longest = max(self.longest, time.monotonic() - moved_at)


@dataclass
class Soak:
    """A soak test, and its findings. The `keeper` adopts images after the restoration."""

    # How often things are broken, with a backup and its restoration between them.
    RUNS: ClassVar[int] = 3

    site: Site
    chaos: Chaos
    actors: list[Actor]
    keeper: Person
    hooks: Hooks
    watch: Watch
    violations: list[str] = field(default_factory=list)
    # The number of adopted images, and the seconds from the last repair until all work was done.
    adopted: int = 0
    rest: float = 0

    def run(self, *, seconds: float, folder: Path) -> None:
        """Break the site for this time, and check it. The backup goes to the folder."""
        with self._people_act():
            self.chaos.run(seconds=seconds / self.RUNS)
            self.site.start("database")
            restoring.back_up(self.site, folder=folder)
            self.chaos.run(seconds=seconds / self.RUNS)
        self._restore(folder)
        with self._people_act():
            self.chaos.run(seconds=seconds / self.RUNS)
        self.site.make_whole()
        self.rest = self._come_to_rest()
        self._check(live_uploads(seconds))

    @contextlib.contextmanager
    def _people_act(self) -> Iterator[None]:
        """Let all people act at random until the end of the block."""
        self.site.make_whole()
        self.site.start("second")
        stopped = Event()
        threads = [Thread(target=actor.act_until, args=(stopped,)) for actor in self.actors]
        threads.append(Thread(target=self.watch.watch_until, args=(stopped,)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            for thread in threads:
                thread.join()

    def _restore(self, folder: Path) -> None:
        """Restore the backup as the operator does, and check that this costs no image."""
        self.site.start(*self.site.services)
        live = {actor.person.sent[upload] for actor in self.actors for upload in actor.live()}
        restoring.restore(self.site, folder=folder, name=self.keeper.name)
        self.hooks.note_restoration()
        rows = self.site.rows(UPLOADS)
        lost = live - {content_hash for _id, _owner, content_hash, _is_live in rows}
        self.violations += [f"the restoration lost the original {content_hash}" for content_hash in lost]
        known = {hyphened(upload) for upload, _owner, _hash, is_live in rows if is_live}
        for actor in self.actors:
            actor.note_restoration(known)
        self.keeper.sent = {
            hyphened(upload): content_hash
            for upload, owner, content_hash, _is_live in rows
            if owner == self.keeper.name
        }
        self.adopted = len(self.keeper.sent)

    def _come_to_rest(self) -> float:
        """Keep all processes running until nothing is unfinished, and return the seconds that this took.

        A worker exits if one of its child processes is killed while it starts.
        """
        began_at = time.monotonic()
        while unfinished := self._unfinished():
            assert time.monotonic() < began_at + REST, f"not within {REST} s: {unfinished}"
            self.site.start(*self.site.programs)
            for actor in self.actors:
                actor.settle()
            time.sleep(0.5)
        while self.site.rows(hooks.WAITING) != [(0,)]:
            assert time.monotonic() < began_at + REST, f"not all webhooks arrived within {REST} s"
            self.site.module("tests.faults.an_hour_later", stdin="")
            self.site.wait_until_at_rest()
        return time.monotonic() - began_at

    def _unfinished(self) -> dict[str, int]:
        unknown = sum(len(actor.unknown) for actor in self.actors)
        return {**self.site.unfinished(), **({"unknown outcomes": unknown} if unknown else {})}

    def _check(self, needed: int) -> None:
        self.site.remove_leftovers()
        self.violations += self.site.lasting_violations()
        self.violations += self.hooks.violations(self.site)
        self.violations += unexpected(self.actors, self.outcomes())
        self.violations += unanswered(self.actors)
        if self.live < needed:
            self.violations.append(f"{self.live} uploads live at the end, instead of at least {needed}")

    @property
    def live(self) -> int:
        """Return the number of uploads that must exist at the end, and were checked."""
        people = [*(actor.person for actor in self.actors), self.keeper]
        return sum(len(person.sent.keys() - person.deleted) for person in people)

    def outcomes(self) -> list[tuple[str, str, str]]:
        """Return the SHA-256, the status and the error code of each upload."""
        return [(row[0], row[1], row[2]) for row in self.site.rows(OUTCOMES)]


def live_uploads(seconds: float) -> int:
    """Return the number of uploads that must live at the end of a run of this time."""
    return max(1, int(LIVE * min(1, seconds / LONG)))


def hyphened(identifier: str) -> str:
    """Return the id of an upload as the API writes it. SQLite stores it without hyphens."""
    plain = identifier.replace("-", "")
    return "-".join([plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]])


def unexpected(actors: Sequence[Actor], outcomes: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return every upload with another outcome than its file's.

    A good file may have failed if its workers were killed repeatedly. A bad file never succeeds.
    """
    expected = {content_hash: what for actor in actors for content_hash, what in actor.expected.items()}
    found = []
    for content_hash, status, code in outcomes:
        what = expected.get(content_hash, "bounded")
        wrongly_failed = what == "accept" and status == "failed" and code != "processing_failed"
        if wrongly_failed or (what == "reject" and status == "ready"):
            found.append(f"an upload of the file {content_hash} to {what} is {status} {code}")
    return found


def unanswered(actors: Sequence[Actor]) -> list[str]:
    """Return the answers that no fault excuses: 500 is an error of the site itself."""
    return [
        f"{name.removesuffix(': 500')} was answered 500, {count} times"
        for actor in actors
        for name, count in actor.counts.items()
        if name.endswith(": 500")
    ]
