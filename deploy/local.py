"""Run the whole system on this machine: `make run`.

It starts Redis (unless `REDIS_URL` is set), then workers, beat and Flower, then the web server, and keeps
them running. The database is migrated before the workers start. Ctrl-C stops the processes in reverse order.
"""

import asyncio
import http.client
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from deploy import programs
from deploy.embedded_redis import server_command, wait_until_it_answers
from deploy.errors import CannotStart
from deploy.guard import Guard
from deploy.log import Log
from deploy.ports import HOST, claimed_clone, free_port, read_port, require_free
from deploy.processes import KeptProcess, Launcher, Program

READY_WITHIN = 60.0
# Flower's port is the web server's plus this: 8555 for 8000, and 8556 for a second clone on 8001.
FLOWER_OFFSET = 555


class LocalSystem:
    """Start everything, announce when it is ready, and stop everything."""

    def __init__(self, *, port: int, flower_port: int, launcher: Launcher) -> None:
        self._port = port
        self._flower_port = flower_port
        self._launcher = launcher
        self._log = launcher.log
        # In start order: each group may need the groups before it.
        self._kept: list[list[KeptProcess]] = []
        self._stop_requested = asyncio.Event()

    async def run_until_stopped(self) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP; a second SIGINT kills everything at once."""
        self._listen_for_signals()
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stop_requested.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await stopping
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await self._stop()

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGTERM, self._stop_requested.set)
        loop.add_signal_handler(signal.SIGHUP, self._stop_requested.set)

    def _interrupt(self) -> None:
        if self._stop_requested.is_set():
            for process in self._all_kept():
                process.kill()
        self._stop_requested.set()

    async def _start(self) -> None:
        if uses_embedded_redis():
            await self._start_redis()
        link = await self._prepare()
        self._keep(self._background_programs())
        self._keep([programs.web(port=self._port, log_level=log_level())])
        await self._wait_until_ready()
        self._log.facts(self._facts(link))

    async def _start_redis(self) -> None:
        command = server_command(socket_path=settings.REDIS_SOCKET, folder=settings.VAR_DIR)
        self._keep([programs.redis(command=command)])
        await wait_until_it_answers(url=settings.REDIS_URL, seconds=10)
        self._log.note("the embedded Redis is running")

    async def _prepare(self) -> str:
        output = await self._launcher.run(programs.PREPARE)
        self._log.note("the database is migrated and the static files are collected")
        return output.splitlines()[-1]

    def _background_programs(self) -> list[Program]:
        return [
            *(programs.worker(queue=queue, log_level=log_level()) for queue in programs.WORKER_OPTIONS),
            programs.beat(log_level=log_level()),
            programs.flower(port=self._flower_port, password=flower_password()),
        ]

    def _keep(self, group: list[Program]) -> None:
        kept = [KeptProcess(program=program, launcher=self._launcher) for program in group]
        self._kept.append(kept)
        for process in kept:
            process.start()

    async def _wait_until_ready(self) -> None:
        warn_at = time.monotonic() + READY_WITHIN
        while problem := await asyncio.to_thread(readiness_problem, self._port):
            if time.monotonic() > warn_at:
                self._log.note(f"not ready after {READY_WITHIN:g} s, still waiting: {problem}")
                warn_at += READY_WITHIN
            await asyncio.sleep(0.5)

    def _facts(self, link: str) -> dict[str, str]:
        return {
            "Darkroom": settings.SITE_URL,
            "Sign in": f"{link}  (signs in the demo person, once, within ten minutes)",
            "Another link": f"DEMO=1 PORT={self._port} .venv/bin/python manage.py demo_link",
            "Admin": f"{settings.SITE_URL}/admin/",
            "Flower": f"http://{HOST}:{self._flower_port}  (demo, {flower_password()})",
            "Mail": where_mail_goes(),
            "Stop": "Ctrl-C",
        }

    async def _stop(self) -> None:
        self._log.note("stopping (press Ctrl-C again to stop immediately)")
        for group in reversed(self._kept):
            await asyncio.gather(*(process.stop() for process in group))
        self._log.note("stopped")

    def _all_kept(self) -> list[KeptProcess]:
        return [process for group in self._kept for process in group]


def uses_embedded_redis() -> bool:
    """Return whether the settings name the embedded Redis, as they do unless REDIS_URL is set."""
    return bool(settings.REDIS_URL == settings.EMBEDDED_REDIS_URL)


def where_mail_goes() -> str:
    """Return how people get their mail."""
    return "is sent through EMAIL_URL" if settings.EMAIL_URL else f"is written to {settings.EMAIL_FILE_PATH}"


def log_level() -> str:
    """Return the log level of the settings."""
    logs: dict[str, Any] = settings.LOGGING
    return str(logs["root"]["level"])


def flower_password() -> str:
    """Return this clone's password for Flower; create it on first use."""
    path = Path(settings.VAR_DIR) / "flower_password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12))
    return path.read_text()


def readiness_problem(port: int) -> str:
    """Return the reason that the system is not ready, or "" if every part of it but a disk is."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"the web server does not answer ({error})"
    finally:
        connection.close()
    try:
        checks = json.loads(body)["checks"]
    except (ValueError, KeyError):
        return f"/readyz answers {response.status}: {body[:500]}"
    # A disk that is almost full refuses uploads, and the page says so. The rest of the site works.
    problems = [f"{name}: {text}" for name, text in checks.items() if text != "ok" and name != "disk"]
    return "; ".join(problems)[:500]


def wanted_port() -> int:
    """Return PORT, or the default; a blank one counts as unset."""
    return read_port(os.environ.get("PORT", "").strip() or "8000", name="PORT")


def wanted_flower_port(port: int) -> int:
    """Return FLOWER_PORT, or the default for the web server's port."""
    text = os.environ.get("FLOWER_PORT")
    return read_port(text, name="FLOWER_PORT") if text else port + FLOWER_OFFSET


async def serve(*, port: int) -> None:
    """Run the system on this port until it is told to stop."""
    flower_port = free_port(wanted_flower_port(port))
    os.environ["PORT"] = str(port)
    os.environ["DEMO"] = "1"
    os.environ.setdefault("FLOWER_URL", f"http://{HOST}:{flower_port}")
    with Guard() as guard:
        launcher = Launcher(folder=settings.BASE_DIR, log=Log(), guard=guard)
        await LocalSystem(port=port, flower_port=flower_port, launcher=launcher).run_until_stopped()


def main() -> int:
    """Run the system and return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
    try:
        wanted_port()
        # Reading the settings also reads `.env`, which may set another port.
        lock_path = Path(settings.VAR_DIR) / "run.lock"
        port = wanted_port()
        with claimed_clone(lock_path=lock_path, address=settings.SITE_URL):
            require_free(port)
            asyncio.run(serve(port=port))
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
