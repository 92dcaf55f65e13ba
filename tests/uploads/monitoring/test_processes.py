"""Heartbeats in the database: who runs which presets, and who must be restarted."""

import tomllib
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from processing import clock, renditions
from tests.processing.processes import ROOT
from uploads import broker
from uploads.models import Process
from uploads.monitoring import processes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
PRESETS = {"thumb": {"width": 64, "height": 64, "mode": "fill"}, "small": {"width": 100}}


@pytest.fixture(autouse=True)
def _heartbeats(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "HEARTBEAT": 20, "PRESETS": PRESETS}
    monkeypatch.setattr(broker, "workers", dict)


def beat(name: str = "bulk@one") -> Process:
    """Record a heartbeat of a process with the current settings."""
    kind = Process.Kind.WEB if name.startswith("web") else Process.Kind.WORKER
    processes.record(name=name, kind=kind, queues=["bulk"])
    return Process.objects.get(name=name)


def edit(settings: Settings, **presets: dict[str, Any]) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": {**PRESETS, **presets}}


def test_fingerprint_follows_what_a_preset_does(settings: Settings) -> None:
    before = renditions.preset_fingerprints()
    edit(settings, small={"width": 101})
    after = renditions.preset_fingerprints()
    assert before["thumb"] == after["thumb"]
    assert before["small"] != after["small"]
    assert processes.differing(before, after) == ["small"]


def test_fingerprints_are_those_of_every_host_whatever_its_resampler(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = renditions.fingerprint_of_all()
    monkeypatch.setattr("processing.conf.INSTALLED", "pillow")
    assert renditions.fingerprint_of_all() == here
    settings.DARKROOM = {**settings.DARKROOM, "RESAMPLER": "pillow"}
    assert renditions.fingerprint_of_all() != here


def test_second_heartbeat_updates_the_first() -> None:
    first, second = beat(), beat()
    assert second.version == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert second.seen_at >= first.seen_at
    assert [one.name for one in processes.running()] == ["bulk@one"]


def test_silent_process_counts_as_gone_and_is_forgotten() -> None:
    beat("bulk@gone")
    Process.objects.update(seen_at=clock.now() - timedelta(seconds=61))
    assert processes.running() == []
    Process.objects.update(seen_at=clock.now() - timedelta(days=2))
    beat()
    assert list(Process.objects.values_list("name", flat=True)) == ["bulk@one"]


def test_workers_with_the_same_presets_agree() -> None:
    beat()
    assert processes.disagreement_of_bulk() == ""


def test_worker_with_other_presets_is_named(settings: Settings) -> None:
    beat()
    edit(settings, small={"width": 101}, large={"width": 200})
    assert processes.disagreement_of_bulk() == (
        "The worker bulk@one has other settings of large, small. Restart it."
    )


@pytest.mark.parametrize("queue", ["thumbnails", "renditions"])
def test_workers_of_other_queues_do_not_matter(queue: str, settings: Settings) -> None:
    processes.record(name="one@here", kind=Process.Kind.WORKER, queues=[queue])
    edit(settings, small={"width": 101})
    assert processes.disagreement_of_bulk() == ""


def test_worker_without_a_heartbeat_may_have_any_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    beat()
    consumers = {"bulk@one": {"bulk"}, "bulk@two": {"bulk"}, "thumbnails@two": {"thumbnails"}}
    monkeypatch.setattr(broker, "workers", lambda: consumers)
    problem = processes.disagreement_of_bulk()
    assert problem.startswith("The presets of bulk@two are unknown, because no heartbeat has arrived.")


def test_worker_that_does_not_answer_the_broker_counts_by_its_heartbeat(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> dict[str, set[str]]:
        raise broker.BrokerAway("connection refused")

    beat()
    monkeypatch.setattr(broker, "workers", away)
    assert processes.disagreement_of_bulk() == ""
    edit(settings, small={"width": 101})
    assert "bulk@one" in processes.disagreement_of_bulk()


def test_process_that_started_last_has_the_current_presets(settings: Settings) -> None:
    old, other = beat("bulk@old"), beat("web@old:1")
    assert processes.outdated(processes.running()) == ""
    edit(settings, small={"width": 101})
    beat("bulk@new")
    Process.objects.filter(name__endswith="@new").update(began_at=old.began_at + timedelta(seconds=9))
    found = processes.outdated(processes.running())
    assert found == (
        f"other presets than bulk@new, which started last: {other.name}, {old.name}; restart them"
    )
    assert processes.outdated([]) == ""


def test_status_page_shows_who_runs_what(settings: Settings, client: Client, admin_client: Client) -> None:
    beat("bulk@old")
    edit(settings, small={"width": 101})
    page = admin_client.get(reverse("uploads:status")).content.decode()
    assert "bulk@old" in page
    assert ">small<" in page
    assert client.get(reverse("uploads:status")).status_code == 302
