"""The scene of the hostile people: a fresh system as `make run` starts it, with a mail server."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller
from PIL import Image

from deploy.ports import HOST, any_free_port
from processing.fingerprint import original_key
from tests.hostile.visitor import Visitor
from tests.journeys.mailbox import Mailbox
from tests.system import System, wait_until

PASSWORD, NEW_PASSWORD = "correct-horse-battery", "a-new-pass-phrase"
# The most emails a day to one person, so that a few images reach the limit.
EMAILS_PER_DAY = 5
# The system does not read `.env`. A deletion can be undone for as long as the script runs.
OWN = {
    "DEBUG": "0",
    "ENV_FILE": os.devnull,
    "S3_BUCKET": "",
    "WEBHOOK_PRIVATE_ADDRESSES": "1",
    "EMAILS_PER_DAY": str(EMAILS_PER_DAY),
    "DELETE_GRACE": "3600",
}
PICTURE_SIDE = 48


class Scene:
    """A running system, its mail, and all pictures that its owners have not deleted."""

    def __init__(self, folder: Path, *, mailbox: Mailbox, email_url: str) -> None:
        self.mailbox = mailbox
        self.database = folder / "db.sqlite3"
        self.media = folder / "media"
        self.system = System(folder, EMAIL_URL=email_url, DATABASE_URL=f"sqlite:///{self.database}", **OWN)
        # The owner and the bytes of each picture that must exist at the end.
        self.kept: list[tuple[Visitor, bytes]] = []
        # A thief and a URL that must still be refused at the end.
        self.stolen: list[tuple[Visitor, str]] = []
        self._numbers = count(1)

    def visitor(self, name: str = "visitor", *, token: str = "") -> Visitor:
        """Return a new visitor in a network of their own, who has no account yet."""
        number = next(self._numbers)
        address = f"127.0.{number // 200 + 1}.{number % 200 + 2}"
        return Visitor(
            port=self.system.port,
            address=address,
            token=token,
            name=name,
            email=f"{name}@example.org",
            password=PASSWORD,
        )

    def newcomer(self, name: str) -> Visitor:
        """Return a person who has signed up, verified the address, and is signed in."""
        person = self.visitor(name)
        person.sign_up()
        person.post(self.mailbox.link_to(person.email, "/accounts/confirm-email/"))
        assert person.is_signed_in(), f"{name} cannot sign in with a verified address"
        return person

    def reset_password(self, person: Visitor) -> None:
        """Set a new password by the link in the mail, and sign in."""
        person.post("/accounts/password/reset/", email=person.email)
        link = self.mailbox.link_to(person.email, "/accounts/password/reset/key/")
        page = person.get(link).location
        assert page, "the link in the reset mail does not open"
        person.post(page, password1=NEW_PASSWORD, password2=NEW_PASSWORD)
        person.password = NEW_PASSWORD
        if not person.is_signed_in():
            person.sign_in()
        assert person.is_signed_in(), "the new password does not sign in"

    def token_of(self, name: str) -> str:
        """Return a token that the operator's command prints."""
        output = self.system.manage("drf_create_token", name).stdout
        key = re.search(r"\b[0-9a-f]{40}\b", output)
        assert key is not None, f"drf_create_token printed no key: {output}"
        return key[0]

    def picture(self) -> bytes:
        """Return a small picture that no other one equals."""
        number = next(self._numbers)
        pixels = Random(number).randbytes(PICTURE_SIDE * PICTURE_SIDE * 3)
        data = io.BytesIO()
        Image.frombytes("RGB", (PICTURE_SIDE, PICTURE_SIDE), pixels).save(data, "JPEG")
        return data.getvalue()

    def sent(self, person: Visitor, *, data: bytes = b"", **options: str) -> Any:
        """Send a picture that must be accepted and must exist at the end, and return the upload."""
        data = data or self.picture()
        answer = person.send(data, **options)
        assert answer.status == 201, f"a picture was answered with {answer.status}: {answer.text}"
        self.kept.append((person, data))
        return answer.json()

    def wait_until_ready(self, person: Visitor, *upload_ids: str) -> None:
        for upload_id in upload_ids:
            wait_until(lambda: person.upload(upload_id)["status"] == "ready")  # noqa: B023 (called at once)

    def file_of(self, data: bytes) -> Path:
        """Return the path of an original's file."""
        return self.media / original_key(hashlib.sha256(data).hexdigest())

    def is_stored(self, data: bytes) -> bool:
        path = self.file_of(data)
        return path.exists() and path.read_bytes() == data

    def audit(self, *options: str) -> Any:
        """Run `manage.py audit` and return its findings. It has an exit status if something is wrong."""
        done = self.system.manage("audit", "--json", *options)
        assert done.stdout.startswith("{"), f"audit failed: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def collect(self) -> None:
        """Do all clean-up at once, as if the grace period of deletions were over."""
        code = (
            "from uploads.upkeep import collector, unknown_files; "
            "collector.collect(); unknown_files.count(); collector.collect()"
        )
        done = self.system.manage("shell", "--no-imports", "--command", code, DELETE_GRACE="0")
        assert done.returncode == 0, f"the clean-up failed: {done.stderr}"

    def back_up(self, path: Path) -> None:
        """Copy the database while the system writes to it."""
        copy(self.database, path)

    def put_back(self, path: Path) -> None:
        """Replace the content of the database while the system runs, as a careless operator does."""
        copy(path, self.database)

    def tables(self) -> str:
        """Return the whole content of the database as SQL."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=60)) as database:
            return "\n".join(database.iterdump())


def copy(source: Path, target: Path) -> None:
    """Copy a SQLite database with its backup API, in one transaction."""
    with (
        contextlib.closing(sqlite3.connect(source, timeout=60)) as old,
        contextlib.closing(sqlite3.connect(target, timeout=60)) as new,
    ):
        old.backup(new)


def path_of(url: str) -> str:
    """Return the path and the query of a URL."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Scene]:
    """Start a mail server and a fresh system, and stop both at the end."""
    mailbox, port = Mailbox(), any_free_port()
    controller = Controller(mailbox, hostname=HOST, port=port)
    controller.start()
    try:
        scene = Scene(folder, mailbox=mailbox, email_url=f"smtp://{HOST}:{port}")
        with scene.system.ready():
            assert scene.system.is_ready(), "the system did not start"
            yield scene
    finally:
        controller.stop()
