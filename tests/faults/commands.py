"""The commands of a site's processes: those of `make run`, made mortal."""

from dataclasses import dataclass
from pathlib import Path

from deploy import programs
from deploy.embedded_redis import server_command
from tests.faults.database import SQLite
from tests.postgresql import PostgreSQL

QUEUES = "thumbnails,renditions,notifications,bulk,maintenance"


@dataclass(frozen=True)
class Commands:
    """What runs under a name: database, redis, web, beat, and a worker of all queues under any other."""

    folder: Path
    port: int
    database: PostgreSQL | SQLite

    def of(self, name: str) -> tuple[str, ...]:
        """Return a command; an empty one where nothing runs under that name."""
        if name == "database":
            return self.database.command
        if name == "redis":
            return server_command(socket_path=self.folder / "redis.sock", folder=self.folder)
        if name == "web":
            return self._web()
        if name.startswith("beat"):
            return (*programs.beat(log_level="INFO").command, "--schedule", str(self.folder / name))
        return self._worker(name)

    def user_of(self, name: str) -> str | None:
        """Return the user that a command is to be run by, if it is another one."""
        return self.database.user if name == "database" else None

    def _web(self) -> tuple[str, ...]:
        mortal = {"myproject.asgi:application": "tests.faults.mortal_web:application"}
        command = programs.web(port=self.port, log_level="INFO").command
        return tuple(mortal.get(word, word) for word in command)

    def _worker(self, name: str) -> tuple[str, ...]:
        """Return a worker of processes, or of threads where its name begins so."""
        return (
            *(*programs.CELERY, "worker", "--include", "tests.faults.mortal", "--queues", QUEUES),
            *("--hostname", f"{name}@%h", "--without-gossip", "--without-mingle", "--loglevel", "INFO"),
            *(("--pool", "threads") if name.startswith("threads") else ()),
            *("--concurrency", "3"),
        )
