"""`manage.py probe`: whether the worker or the beat of this machine works."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from processing.conf import darkroom
from uploads.monitoring import alive


class Command(BaseCommand):
    """Say whether workers or beat of this machine work, for probes of Kubernetes and systemd."""

    help = "Say whether the workers or the beat of this machine work. The exit status is 0 only if they do."
    # A probe reads files alone, and its result says nothing about the settings.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("kind", choices=["worker", "beat"], metavar="KIND", help="worker or beat")
        parser.add_argument("name", nargs="?", metavar="NAME", help="only the worker of this name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Report each process, and fail if one does not work."""
        if not (darkroom().heartbeat and darkroom().alive_dir):
            raise CommandError("A probe needs HEARTBEAT above 0, and a folder ALIVE_DIR.")
        states = {name: _problem(name) for name in _named(options["kind"], options["name"])}
        for name, problem in states.items():
            self.stdout.write(f"{name}: {problem or 'ok'}")
        if any(states.values()):
            raise CommandError("Restart what does not work.")


def _named(kind: str, name: str | None) -> list[str]:
    """Return the processes to probe: those of this machine, of which several may share the folder."""
    if kind == "beat":
        return [f"beat@{socket.gethostname()}"]
    here = [one for one in alive.names() if not one.startswith("beat@") and _is_here(one)]
    found = [one for one in here if name in {None, one, one.partition("@")[0]}]
    if not found and (name is None or "@" not in name):
        raise CommandError(f"There is no worker {name or ''} on this machine.".replace("  ", " "))
    return found or [str(name)]


def _is_here(name: str) -> bool:
    return name.partition("@")[2] == socket.gethostname()


def _problem(name: str) -> str:
    """Return why a process does not work, or ""."""
    idle = alive.idle(name)
    if idle is None:
        return "has not started, or has ended."
    if idle > alive.longest(name):
        did = "published nothing" if name.startswith("beat@") else "taken no task"
        return f"has {did} for {idle:.0f} seconds."
    return ""
