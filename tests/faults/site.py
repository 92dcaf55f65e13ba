"""A whole site of real processes, with its users, and the promise that it has to keep."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from deploy.ports import any_free_port
from tests.faults.commands import Commands
from tests.faults.database import DATABASES, SQLite
from tests.faults.person import Person
from tests.faults.pictures import Pictures
from tests.faults.processes import ROOT, Processes
from tests.postgresql import PostgreSQL, Row
from tests.system import wait_until

RUN_MODULE = "import django, runpy; django.setup(); runpy.run_module('{name}', run_name='__main__')"
# Seconds that a step may take. After a kill, another worker may continue ten seconds after this time.
STEP_TIME_LIMIT = 5
LEASE = STEP_TIME_LIMIT + 10
PEOPLE = 90
# The processes of a site, in the order in which they start.
PROGRAMS: Sequence[str] = ("database", "redis", "web", "worker", "beat")
# Variables of the environment that the site does not inherit.
SETTINGS = (
    "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "DATABASE_POOL_SIZE", "EMAIL_URL", "HTTPS",
    "S3_BUCKET", "PORT", "REDIS_CA_FILE", "REDIS_KEY_PREFIX",
)  # fmt: skip
UNFINISHED = """
    SELECT 'unfinished', count(*) FROM uploads_upload WHERE status IN ('pending', 'processing')
    UNION ALL SELECT 'deleted', count(*) FROM uploads_upload WHERE deleted_at IS NOT NULL
    UNION ALL SELECT 'leased', count(*) FROM processing_lease
    UNION ALL SELECT 'unused', count(*) FROM processing_original
        WHERE NOT EXISTS (SELECT 1 FROM uploads_upload WHERE original_id = processing_original.id)
        AND NOT EXISTS (SELECT 1 FROM uploads_formerfile WHERE original_id = processing_original.id)
    UNION ALL SELECT 'unnamed', count(*) FROM processing_focus
        WHERE NOT EXISTS (SELECT 1 FROM uploads_upload WHERE focus_id = processing_focus.id)
        AND NOT EXISTS (SELECT 1 FROM uploads_formerfile WHERE focus_id = processing_focus.id)
    UNION ALL SELECT 'orphaned', count(*) FROM processing_pendingfile WHERE due_at <= CURRENT_TIMESTAMP
    UNION ALL SELECT 'undelivered', count(*) FROM uploads_delivery
        WHERE delivered_at IS NULL AND next_attempt_at <= CURRENT_TIMESTAMP
"""


class Site(Processes):
    """Run web, worker, beat, Redis and a database with all their files in one folder."""

    programs = PROGRAMS
    # The programs that an operator leaves running while the rest of the site is stopped.
    services: Sequence[str] = ("database", "redis")

    def __init__(self, folder: Path, *, database: str = "postgresql", **environment: str) -> None:
        self.pictures = Pictures()
        self.orders = folder / "orders"
        self.orders.mkdir()
        self.redis_url = environment.get("REDIS_URL", f"unix://{folder / 'redis.sock'}")
        self.media = Path(environment.get("MEDIA_ROOT", folder / "media"))
        self._database = self._make_database(folder, database)
        self._port = any_free_port()
        self._people: list[Person] = []
        self._taken = 0
        self._inspecting: subprocess.Popen[str] | None = None
        inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        super().__init__(
            folder=folder,
            commands=self._make_commands(folder),
            environment=inherited | self._settings(folder) | environment,
        )

    def _make_database(self, folder: Path, name: str) -> PostgreSQL | SQLite:
        return DATABASES[name](folder)

    def _make_commands(self, folder: Path) -> Commands:
        return Commands(folder=folder, port=self._port, database=self._database)

    def _settings(self, folder: Path) -> dict[str, str]:
        return {
            "DATABASE_URL": self._database.url,
            "DEBUG": "0",
            "DELETE_GRACE": "2",
            "DJANGO_SETTINGS_MODULE": "myproject.settings",
            "MEDIA_ROOT": str(self.media),
            "MORTAL_DIR": str(self.orders),
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": "a secret of the tests, long enough to be taken for a real one by every check",
            "STEP_TIME_LIMIT": str(STEP_TIME_LIMIT),
            "VAR_DIR": str(folder / "var"),
            "WEBHOOK_PRIVATE_ADDRESSES": "1",
        }

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Start the database, and prepare it, the static files and the users."""
        self._guard.__enter__()
        try:
            self.start("database")
            self.restore()
            people = self.module("tests.faults.prepare", stdin=str(PEOPLE))
            self._people = [self._make_person(person) for person in json.loads(people)]
        except BaseException:
            self.close()
            raise

    def _make_person(self, names: Mapping[str, Any]) -> Person:
        return Person(port=self._port, **names)

    def restore(self) -> None:
        """Fill the empty database before its migrations run; by default, with nothing."""

    def close(self) -> None:
        """End all processes, and remove the folder."""
        if self.is_closed:
            return
        if self._inspecting is not None:
            self._inspecting.communicate()
        for name in self.running():
            if name != "database":
                self.kill(name)
        self.end_database()
        self._guard.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_closed(self) -> bool:
        return not self.folder.exists()

    def start(self, *names: str) -> None:
        """Start the named processes that do not run, and wait until Redis, the database and web answer."""
        for name in names:
            self.launch(name)
        for name in names:
            wait_until(lambda name=name: self.answers(name))  # type: ignore[misc]

    def answers(self, name: str) -> bool:
        """Return whether Redis, the database or web answers. Other processes are not asked."""
        checks: dict[str, Callable[[], bool]] = {
            "redis": self._redis_answers,
            "database": self._database_answers,
            "web": self._web_answers,
        }
        return checks[name]() if name in checks else True

    def make_whole(self) -> None:
        """Let all processes of a site run, and no others."""
        for name in self.running():
            if name in self.programs:
                self.go_on(name)
            else:
                self.kill(name)
        self.start(*self.programs)

    def _database_answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            return bool(self.rows("SELECT 1"))
        return False

    def _redis_answers(self) -> bool:
        with contextlib.suppress(RedisError, OSError), self.redis() as client:
            return bool(client.ping())
        return False

    def _web_answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self._people[0].request("GET", "/healthz").status == 200
        return False

    @property
    def port(self) -> int:
        """Return the port of the web server."""
        return self._port

    @property
    def database(self) -> PostgreSQL | SQLite:
        """Return the database."""
        return self._database

    @property
    def has_database_server(self) -> bool:
        """Return whether the database is a process, which other hosts could use, too."""
        return bool(self._database.command)

    def person(self) -> Person:
        """Return a user who has not used the site yet."""
        self._taken += 1
        return self._people[self._taken - 1]

    def order(self, boundary: str, action: str) -> None:
        """Order the next process at this boundary to act, such as "kill", or each process: "kill always"."""
        draft = self.orders / f"draft.{boundary}"
        draft.write_text(action)
        draft.rename(self.orders / boundary)

    def reached(self, boundary: str) -> list[int]:
        """Return the process ids that have carried out the order, in order."""
        note = self.orders / f"reached.{boundary}"
        return [int(line) for line in note.read_text().split()] if note.exists() else []

    def wait_until_reached(self, boundary: str, *, times: int = 1) -> list[int]:
        wait_until(lambda: len(self.reached(boundary)) >= times)
        return self.reached(boundary)

    def rows(self, query: str) -> list[Row]:
        return self._database.rows(query)

    def redis(self) -> Redis:
        return Redis.from_url(self.redis_url, socket_timeout=2, socket_connect_timeout=2)

    def python(self, *arguments: str, stdin: str = "") -> str:
        """Run Python in the site's environment, and return its output."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def background(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run Python in the site's environment in the background."""
        with subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL
        ) as process:
            yield process

    def module(self, name: str, *, stdin: str) -> str:
        """Run a module in the site's environment, with Django set up."""
        return self.python("-c", RUN_MODULE.format(name=name), stdin=stdin)

    def manage(self, *arguments: str) -> str:
        return self.python("manage.py", *arguments)

    def remove_leftovers(self) -> None:
        """Let the files of killed processes be removed as if a day had passed."""
        self.module("tests.faults.a_day_later", stdin="")
        self.wait_until_at_rest()

    def unfinished(self) -> dict[str, int]:
        """Return the number of unfinished items by kind. It is empty if the site is at rest."""
        return {name: count for name, count in self.rows(UNFINISHED) if count}

    def wait_until_at_rest(self, *, seconds: float = 180) -> float:
        """Wait until nothing is unfinished, and return the seconds that this took."""
        started_at = time.monotonic()
        ends_at = started_at + seconds
        while unfinished := self.unfinished():
            assert time.monotonic() < ends_at, f"not within {seconds:g} s: {unfinished}"
            time.sleep(0.1)
        return time.monotonic() - started_at

    def violations(self) -> list[str]:
        """Return the violations of the promise."""
        sent = {upload: digest for person in self._people for upload, digest in person.sent.items()}
        deleted = [upload for person in self._people for upload in person.deleted]
        inspector = self._inspector()
        assert inspector.stdin is not None
        assert inspector.stdout is not None
        inspector.stdin.write(json.dumps({"sent": sent, "deleted": deleted}) + "\n")
        inspector.stdin.flush()
        found: list[str] = json.loads(inspector.stdout.readline())
        return found

    def _inspector(self) -> subprocess.Popen[str]:
        """Return the process that checks the promise. It is reused, because Django takes seconds to start."""
        if self._inspecting is None:
            self._inspecting = subprocess.Popen(
                [sys.executable, "-c", RUN_MODULE.format(name="tests.faults.promise")],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._inspecting

    def assert_promise(self) -> None:
        found = self.lasting_violations()
        assert not found, "\n".join(found)

    def lasting_violations(self) -> list[str]:
        """Return the violations that persist, because a batch of mail may just have become due."""
        lasting = self.violations()
        for _ in range(3):
            if lasting:
                self.wait_until_at_rest()
                lasting = [text for text in self.violations() if text in lasting]
        return lasting
