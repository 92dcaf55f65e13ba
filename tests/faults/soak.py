"""The soak test: users work on a site while its processes are killed and frozen. Then the promise is checked.

`make soak ARGS="--seconds 600 --seed 1"`. The exit status is 0 only if the promise was kept.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from random import Random
from threading import Event, Thread

from tests.faults.chaos import Chaos
from tests.faults.person import Person
from tests.faults.site import PROGRAMS, Site
from tests.processing.pictures import CORPUS, NO_CORPUS

# Larger files are left out, because more uploads find more faults.
LARGEST = 150_000
# Bytes appended to these files do not change the picture.
EXTENSIBLE = {".jpg", ".png"}
ACTIONS = {"send": 14, "delete": 4, "restore": 2, "reprocess": 2, "aim": 2, "look": 1}
PEOPLE = 6
LIMITS = {"STEP_TIME_LIMIT": "20", "DELETE_GRACE": "5"}
# Seconds in which all work must be finished once everything runs again.
REST = 600


class Actor:
    """A user who acts at random, by a seeded generator."""

    def __init__(self, *, person: Person, files: list[tuple[Path, str]], random: Random) -> None:
        self.person = person
        self.counts: Counter[str] = Counter()
        # The expected outcome of each accepted upload, as the corpus states it.
        self.expected: dict[str, str] = {}
        # Uploads whose deletion or restoration got no response.
        self.unsure: set[str] = set()
        self._files = files
        self._random = random

    def act_until(self, stopped: Event) -> None:
        """Do one action after the other."""
        while not stopped.is_set():
            action = self._random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
            try:
                answer = getattr(self, f"_{action}")()
            except (OSError, HTTPException):
                answer = "no answer"
            self.counts[f"{action}: {answer}"] += 1
            stopped.wait(self._random.uniform(0.05, 0.4))

    def _send(self) -> str:
        path, expected = self._random.choice(self._files)
        data = path.read_bytes()
        if path.suffix in EXTENSIBLE and self._random.random() < 0.7:
            data += self._random.randbytes(8)
        answer = self.person.send(data, name=path.name)
        if answer.status in {200, 201}:
            self.expected[answer.json()["id"]] = expected
        return str(answer.status)

    def _delete(self) -> str:
        upload = self._one_of_mine()
        if upload is None:
            return "nothing there"
        self.unsure.add(upload)
        status = self.person.delete(upload).status
        if status == 204:
            self.unsure.discard(upload)
        return str(status)

    def _restore(self) -> str:
        deleted = sorted(self.person.deleted - self.unsure)
        if not deleted:
            return "nothing there"
        upload = self._random.choice(deleted)
        self.unsure.add(upload)
        status = self.person.restore(upload).status
        if status in {200, 404, 409}:
            self.unsure.discard(upload)
        return str(status)

    def _aim(self) -> str:
        upload = self._one_of_mine()
        if upload is None:
            return "nothing there"
        # Few points make it likely that users who share an original also share a point.
        x, y = (self._random.choice((0.2, 0.8)) for _ in range(2))
        return str(self.person.look_at(upload, x=x, y=y).status)

    def _reprocess(self) -> str:
        upload = self._one_of_mine()
        return str(self.person.reprocess(upload).status) if upload else "nothing there"

    def _look(self) -> str:
        return str(self.person.request("GET", "/api/uploads/").status)

    def _one_of_mine(self) -> str | None:
        mine = sorted(self.person.sent.keys() - self.person.deleted - self.unsure)
        return self._random.choice(mine) if mine else None

    def finish(self) -> None:
        """Delete the uploads whose deletion or restoration got no response."""
        for upload in sorted(self.unsure):
            assert self.person.delete(upload).status in {204, 404}
            self.person.deleted.add(upload)


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


PROGRESS = """
    SELECT (SELECT coalesce(max(id), 0) FROM uploads_event),
        (SELECT count(*) FROM uploads_upload WHERE deleted_at IS NULL AND status IN ('pending', 'processing'))
"""
OUTCOMES = "SELECT cast(id AS text), status, error_code FROM uploads_upload WHERE deleted_at IS NULL"


def main() -> int:
    """Run a soak test, print its result, and return the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description="Break a site while people use it.")
    parser.add_argument("--seconds", type=float, default=60, help="how long things are broken")
    parser.add_argument("--seed", type=int, default=1, help="the same seed does the same")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    options = parser.parse_args()
    if not CORPUS.is_dir():
        parser.error(NO_CORPUS)
    site = Site(Path(tempfile.mkdtemp(prefix="darkroom-soak-")), database=options.database, **LIMITS)
    with site:
        report, violations = soak(site, seconds=options.seconds, seed=options.seed)
        print(json.dumps({"seed": options.seed, "seconds": options.seconds, **report}, indent=2))
        if violations:
            print(site.log_ends(), *violations, sep="\n")
            print(f"The promise was broken {len(violations)} times.")
            return 1
    print("The promise was kept.")
    return 0


def soak(site: Site, *, seconds: float, seed: int) -> tuple[dict[str, object], list[str]]:
    """Return the figures of a soak test, and the violations of the promise."""
    actors = [
        Actor(person=site.person(), files=corpus_files(), random=Random(f"{seed} {number}"))
        for number in range(PEOPLE)
    ]
    chaos, watch, stopped = Chaos(site, Random(seed)), Watch(site), Event()
    site.make_whole()
    site.start("second")
    threads = [Thread(target=actor.act_until, args=(stopped,)) for actor in actors]
    threads.append(Thread(target=watch.watch_until, args=(stopped,)))
    for thread in threads:
        thread.start()
    try:
        chaos.run(seconds=seconds)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    site.make_whole()
    for actor in actors:
        actor.finish()
    rest = come_to_rest(site)
    site.remove_leftovers()
    outcomes = site.rows(OUTCOMES)
    counts = sum((actor.counts for actor in actors), Counter[str]())
    report = {
        "faults": dict(sorted(chaos.done.items())),
        "requests": dict(sorted(counts.items())),
        "uploads": dict(Counter(f"{status} {code}".strip() for _id, status, code in outcomes)),
        "longest standstill in seconds": round(watch.longest, 1),
        "seconds until all was done": round(rest, 1),
        "ended by itself": [log.splitlines()[-1] for log in chaos.ended],
    }
    return report, [*site.lasting_violations(), *unexpected(actors, outcomes)]


def come_to_rest(site: Site) -> float:
    """Keep all processes running until nothing is unfinished, and return the seconds that this took.

    A worker exits if one of its child processes is killed while it starts.
    """
    began_at = time.monotonic()
    while unfinished := site.unfinished():
        assert time.monotonic() < began_at + REST, f"not within {REST} s: {unfinished}\n{site.log_ends()}"
        site.start(*PROGRAMS)
        time.sleep(0.5)
    return time.monotonic() - began_at


def corpus_files() -> list[tuple[Path, str]]:
    """Return the small files of the corpus, and the expected outcome of each."""
    entries = json.loads((CORPUS / "manifest.json").read_text())
    return [(CORPUS / entry["file"], entry["expect"]) for entry in entries if entry["bytes"] <= LARGEST]


def unexpected(actors: list[Actor], outcomes: list[tuple[str, str, str]]) -> list[str]:
    """Return every upload with another outcome than its file's.

    A good file may have failed if its workers were killed repeatedly. A bad file never succeeds.
    """
    expected = {upload.replace("-", ""): what for actor in actors for upload, what in actor.expected.items()}
    found = []
    for upload, status, code in outcomes:
        what = expected.get(upload.replace("-", ""), "bounded")
        wrongly_failed = what == "accept" and status == "failed" and code != "processing_failed"
        if wrongly_failed or (what == "reject" and status == "ready"):
            found.append(f"upload {upload} of a file to {what} is {status} {code}")
    return found


if __name__ == "__main__":
    sys.exit(main())
