"""The doctor's command, and the examination of the parts."""

import io
import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from uploads import broker
from uploads.models import Heartbeat
from uploads.monitoring import readiness
from uploads.monitoring.doctor import examination

# Threads ask the database, and see only what is committed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def whole(settings: Any, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the site be served, all workers answer, and beat have sent a heartbeat."""
    settings.DARKROOM = {**settings.DARKROOM, "SITE_URL": live_server.url}
    monkeypatch.setattr(broker, "workers", lambda: {"all@here": set(readiness.queues())})
    Heartbeat.objects.create(name="sweep", at=timezone.now())


def run(*arguments: str) -> str:
    """Run the command, and return what it printed."""
    printed = io.StringIO()
    call_command("doctor", *arguments, stdout=printed)
    return printed.getvalue()


@pytest.mark.slow
@pytest.mark.usefixtures("whole")
def test_each_part_of_a_whole_site_is_well_and_nothing_remains() -> None:
    assert run() == "".join(f"{name}: ok\n" for name in examination.PARTS)
    found = json.loads(run("--json"))
    assert found == {"ok": True, "parts": dict.fromkeys(examination.PARTS, "ok")}
    assert [path for path in Path(django_settings.MEDIA_ROOT).rglob("*.png") if path.is_file()] == []
    assert list(Heartbeat.objects.values_list("name", flat=True)) == ["sweep"]


def test_only_the_named_parts_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(examination.PARTS, "mail", lambda: "The mail server is missing.")
    printed = io.StringIO()
    with pytest.raises(CommandError, match=r"1 of 2 parts do not work\."):
        call_command("doctor", "disk", "mail", stdout=printed)
    assert printed.getvalue() == "disk: ok\nmail: The mail server is missing.\n"
    assert run("disk") == "disk: ok\n"


def test_unknown_part_is_refused() -> None:
    with pytest.raises(CommandError, match=r"no part 'disks'\. The parts are database, storage"):
        run("disks")


def test_hanging_part_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Event()
    monkeypatch.setattr(examination, "TIME_LIMIT", 0.1)
    monkeypatch.setitem(examination.PARTS, "disk", lambda: str(end.wait()))
    assert examination.examine(["disk"]) == {"disk": "There was no answer within 0.1 seconds."}
    end.set()


def test_unexpected_error_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("odd")

    monkeypatch.setitem(examination.PARTS, "disk", fail)
    assert examination.examine(["disk"]) == {"disk": "An unexpected error occurred: KeyError: 'odd'"}
