"""What every process does when it starts: it runs its checks, and reports to systemd that it is ready."""

import os
import socket
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.core.management.base import BaseCommand, SystemCheckError

from uploads.redis.address import is_redis, spelled
from uploads.redis.misconfiguration import sentence_on


def refuse_errors(*, tags: Sequence[str] | None = None) -> None:
    """End the process if a system check fails, or Redis is configured wrongly, and print all errors.

    `manage.py` runs the checks before its commands, but servers do not start through it. With tags, only
    their checks run.
    """
    try:
        BaseCommand().check(tags=tags)
    except SystemCheckError as error:
        raise SystemExit(str(error)) from None
    refuse_wrong_redis()


def report_ready() -> None:
    """Tell systemd that this process is ready (sd_notify(3)). Without systemd, do nothing."""
    # The processes that this one starts have nothing to report.
    if address := os.environ.pop("NOTIFY_SOCKET", ""):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            # An address in the abstract namespace is written with an "@".
            connection.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
            connection.send(b"READY=1")


def refuse_wrong_redis() -> None:
    """End the process if a server of Redis refuses this site for good. An unavailable one is tolerated."""
    if sentences := list(_wrong_redis()):
        raise SystemExit("\n".join(sentences))


def _wrong_redis() -> Iterator[str]:
    names: dict[str, str] = {}
    for name in ("REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        # They are usually one address, in two spellings.
        names.setdefault(spelled(getattr(settings, name)), name)
    for address, name in names.items():
        if is_redis(address) and (sentence := sentence_on(name, address)):
            yield sentence
