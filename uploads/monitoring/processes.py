"""The processes that send heartbeats, and whether they have the same presets."""

import tomllib
from contextlib import suppress
from datetime import timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from processing import clock, renditions
from processing.conf import darkroom
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Process

# The heartbeats that a process may miss before it counts as gone.
MISSED = 3
_DECLARATION = Path(__file__).resolve().parents[2] / "pyproject.toml"
# Rows of processes that were not seen for this long are removed.
_FORGOTTEN = timedelta(days=1)


def record(*, name: str, kind: str, queues: list[str]) -> None:
    """Record a heartbeat of this process."""
    Process.objects.update_or_create(
        name=name,
        defaults={
            "kind": kind,
            "version": _version(),
            "queues": queues,
            "presets": renditions.preset_fingerprints(),
            "began_at": clock.began_at(),
            "seen_at": clock.now(),
        },
    )
    Process.objects.filter(seen_at__lt=clock.now() - _FORGOTTEN).delete()


def remove(name: str) -> None:
    """Remove a process that ends."""
    Process.objects.filter(name=name).delete()


def running() -> list[Process]:
    """Return the processes that were seen lately, by kind and name."""
    oldest = clock.now() - timedelta(seconds=MISSED * darkroom().heartbeat)
    return list(Process.objects.filter(seen_at__gte=oldest).order_by("kind", "name"))


def disagreement_of_bulk() -> str:
    """Return which workers of bulk work do not have the presets of this process, or "".

    A worker that the broker knows, and that has sent no heartbeat, may have any presets.
    """
    queue = broker.queues()["bulk"]
    workers = [one for one in running() if one.kind == Process.Kind.WORKER and queue in one.queues]
    here = renditions.preset_fingerprints()
    other = {one.name: differing(one.presets, here) for one in workers if one.presets != here}
    silent = _consumers(queue) - {one.name for one in workers}
    return " ".join(_sentences(other, silent))


def differing(there: dict[str, str], here: dict[str, str]) -> list[str]:
    """Return the names of the presets that differ."""
    return sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))


def outdated(processes: list[Process]) -> str:
    """Return which processes have other presets than the one that read its settings last, or ""."""
    if not processes:
        return ""
    latest = max(processes, key=lambda one: one.began_at)
    names = [one.name for one in processes if one.presets != latest.presets]
    if not names:
        return ""
    return f"other presets than {latest.name}, which started last: {', '.join(names)}; restart them"


def _sentences(other: dict[str, list[str]], silent: set[str]) -> list[str]:
    sentences = [
        f"The worker {name} has other settings of {', '.join(presets)}. Restart it."
        for name, presets in other.items()
    ]
    if silent:
        sentences.append(
            f"The presets of {', '.join(sorted(silent))} are unknown, because no heartbeat has arrived. "
            "Restart these workers if they have an older version or HEARTBEAT=0."
        )
    return sentences


def _consumers(queue: str) -> set[str]:
    """Return the workers of a queue that answer. Without the broker, no message reaches one."""
    try:
        return {name for name, queues in broker.workers().items() if queue in queues}
    except BrokerAway:
        return set()


@cache
def _version() -> str:
    """Return the version of Darkroom, as it is installed, or else as its clone declares it."""
    with suppress(PackageNotFoundError):
        return version("django-darkroom")
    with suppress(OSError):
        declared = tomllib.loads(_DECLARATION.read_text())
        return str(declared["project"]["version"])
    return ""
