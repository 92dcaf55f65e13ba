"""The commands of a site's processes: those of `make run`, with fault injection."""

from dataclasses import dataclass
from pathlib import Path

from deploy import programs
from deploy.embedded_redis import server_command
from tests.faults.database import SQLite
from tests.postgresql import PostgreSQL

QUEUES = "thumbnails,renditions,notifications,bulk,maintenance"


@dataclass(frozen=True)
class Commands:
    """The commands by name: database, redis, web, beat. Any other name is a worker of all queues."""

    folder: Path
    port: int
    database: PostgreSQL | SQLite

    def of(self, name: str) -> tuple[str, ...]:
        """Return the command of a process, or an empty one if the site has no such process."""
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
        """Return the user that runs a process, or None for the current user."""
        return self.database.user if name == "database" else None

    def _web(self) -> tuple[str, ...]:
        mortal = {"myproject.asgi:application": "tests.faults.mortal_web:application"}
        command = programs.web(port=self.port, log_level="INFO").command
        return tuple(mortal.get(word, word) for word in command)

    def _worker(self, name: str) -> tuple[str, ...]:
        """Return a worker with a pool of processes, or of threads if its name starts with "threads"."""
        return (
            *(*programs.CELERY, "worker", "--include", "tests.faults.mortal", "--queues", QUEUES),
            *("--hostname", f"{name}@%h", "--without-gossip", "--without-mingle", "--loglevel", "INFO"),
            *(("--pool", "threads") if name.startswith("threads") else ()),
            *("--concurrency", "3"),
        )
