"""How a drill is answered, and what the database of the attacked system says."""

import contextlib
import sqlite3
from collections import Counter
from dataclasses import dataclass, field

from tests.hostile.scene import Scene
from tests.hostile.visitor import Answer, Visitor

# Seconds in which all work of a drill must be done.
PATIENCE = 1800
LEFT = "SELECT count(*) FROM uploads_upload WHERE status IN ('pending', 'processing')"
OF_PERSON = """
    SELECT status, content_hash FROM uploads_upload
    JOIN processing_original ON processing_original.id = uploads_upload.original_id
    JOIN auth_user ON auth_user.id = uploads_upload.owner_id WHERE auth_user.email = '{email}'
"""


@dataclass
class Tally:
    """The answers to an attack: how often each status, with the code of its problem."""

    answers: Counter[str] = field(default_factory=Counter)

    def note(self, answer: Answer) -> Answer:
        """Count an answer."""
        code = answer.json().get("code", "") if answer.status >= 400 else ""
        self.answers[f"{answer.status} {code}".strip()] += 1
        return answer

    def __str__(self) -> str:
        return ", ".join(f"{count} × {answer}" for answer, count in sorted(self.answers.items()))


def status_of(scene: Scene, person: Visitor) -> dict[str, str]:
    """Return the status of each upload of a person, also of deleted ones, by the SHA-256 of its file."""
    found = rows(scene, OF_PERSON.format(email=person.email))
    return {content_hash: status for status, content_hash in found}


def number(scene: Scene, query: str) -> int:
    return int(rows(scene, query)[0][0])


def rows(scene: Scene, query: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(scene.database, timeout=60)) as database:
        return database.execute(query).fetchall()
