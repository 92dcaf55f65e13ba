"""The drill: every file of the corpus is sent at once, as by a person who moves in with a folder."""

import re
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.hostile.scene import Scene
from tests.hostile.tally import LEFT, PATIENCE, Tally, number, status_of
from tests.hostile.visitor import Visitor
from tests.processing.pictures import CORPUS, NO_CORPUS, TRUNCATED, expectations
from tests.system import wait_until

# A worker that was lost, or a program that was started again, in the log of the system.
LOST = re.compile(r"exited with|WorkerLostError|restarting in")
# The ends that a file may have, by what the corpus expects of it.
ALLOWED = {"accept": {"ready"}, "reject": {"failed", "refused"}, "bounded": {"ready", "failed", "refused"}}
QUEUES = ("thumbnails", "renditions", "notifications", "bulk")


def whole_corpus(scene: Scene, files: Mapping[Path, str] | None = None) -> str:
    """C2: send every file of the corpus at once. No worker is lost, and each file has the expected end."""
    if files is None:
        if not CORPUS.is_dir():
            return f"left out: {NO_CORPUS}"
        files = {path: what for path, what in expectations(CORPUS).items() if what in ALLOWED}
    person, answers = scene.newcomer("archivist"), Tally()
    before, logged = workers(scene), len(scene.system.output())
    began_at = time.monotonic()
    with ThreadPoolExecutor(len(files)) as pool:
        sent = list(pool.map(lambda path: insist(person, path, answers), files))
    answered_after = time.monotonic() - began_at
    wait_until(lambda: not number(scene, LEFT), seconds=PATIENCE)
    done_after = time.monotonic() - began_at
    lost = [line for line in scene.system.output()[logged:].splitlines() if LOST.search(line)]
    assert not lost, f"workers were lost: {lost[:3]}"
    assert workers(scene) == before, "a worker was started again"
    statuses = status_of(scene, person)
    ends = [statuses.get(content_hash, "refused") for content_hash in sent]
    wrong = [
        f"{path.name} to {what} is {end}"
        for (path, what), end in zip(files.items(), ends, strict=True)
        if end not in ALLOWED[what] and path.name not in TRUNCATED
    ]
    assert not wrong, f"{len(wrong)} files have another end: {wrong[:5]}"
    counted = ", ".join(f"{count} {end}" for end, count in sorted(Counter(ends).items()))
    return (
        f"{len(files)} files: {answers}, answered after {answered_after:.0f} s; "
        f"{counted}, after {done_after:.0f} s"
    )


def insist(person: Visitor, path: Path, tally: Tally) -> str:
    """Send a file, again while the site is busy, and return its SHA-256 if it was accepted."""
    data = path.read_bytes()
    while True:
        try:
            answer = tally.note(person.send(data, name=path.name))
        except OSError:
            # The visitor waits for a minute. A busy machine may need more for hundreds of files at once.
            tally.answers["no answer"] += 1
            continue
        if answer.status != 503:
            return str(answer.json()["content_hash"]) if answer.status in {200, 201} else ""
        time.sleep(float(answer.headers.get("retry-after", 1)))


def workers(scene: Scene) -> dict[str, int]:
    """Return the main process of each queue's worker."""
    return {queue: min(scene.system.worker(queue)) for queue in QUEUES}
