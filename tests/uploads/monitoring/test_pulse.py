"""The pulse: files that show who works, and what a probe makes of them; real workers with other presets."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from celery.signals import task_postrun
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django import Settings

from processing import clock, renditions
from processing.conf import darkroom
from processing.models import Lease, Rendition
from processing.steps import Postponed
from tests.conftest import Send
from tests.processing.processes import ROOT, environment
from tests.rabbitmq import RabbitMQ, is_installed
from tests.system import wait_until
from tests.workers import running_worker
from uploads import broker, completion, services
from uploads.models import Process, Upload
from uploads.monitoring import alive, processes
from uploads.monitoring.pulse import Pulse

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
HOST = socket.gethostname()
WORKER, BEAT = f"thumbnails@{HOST}", f"beat@{HOST}"
EDITED = """
from myproject.settings import *
DARKROOM["PRESETS"] = {**DARKROOM["PRESETS"], "small": {"width": 300}}
"""


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """Return the folder of the files, with heartbeats on."""
    settings.DARKROOM = {**settings.DARKROOM, "HEARTBEAT": 20, "ALIVE_DIR": str(tmp_path / "alive")}
    return tmp_path / "alive"


def probe(*arguments: str) -> str:
    output = StringIO()
    call_command("probe", *arguments, stdout=output)
    return output.getvalue()


def age(name: str, seconds: float) -> None:
    """Let a process have worked so many seconds ago."""
    path = Path(darkroom().alive_dir) / name
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def pulse(kind: Process.Kind = Process.Kind.WORKER, name: str = WORKER) -> Pulse:
    return Pulse(kind=kind, name=name, queues=["thumbnails"] if kind == Process.Kind.WORKER else [])


def without_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(current_app, "_pool", None)
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None)


@pytest.mark.usefixtures("folder")
class TestProbe:
    def test_worker_that_has_worked_is_alive(self) -> None:
        alive.touch(WORKER)
        assert probe("worker") == f"{WORKER}: ok\n"
        assert probe("worker", "thumbnails") == probe("worker", WORKER) == probe("worker")

    def test_worker_may_be_busy_with_a_step(self) -> None:
        alive.touch(WORKER)
        age(WORKER, darkroom().step_time_limit + 50)
        assert probe("worker").endswith(": ok\n")

    def test_worker_that_takes_nothing_is_not(self) -> None:
        alive.touch(WORKER)
        age(WORKER, darkroom().step_time_limit + 70)
        with pytest.raises(CommandError):
            probe("worker")

    def test_beat_that_publishes_nothing_is_not(self) -> None:
        alive.touch(BEAT)
        assert probe("beat") == f"{BEAT}: ok\n"
        age(BEAT, 70)
        with pytest.raises(CommandError):
            probe("beat")

    def test_process_that_has_not_started_is_not(self) -> None:
        with pytest.raises(CommandError, match="There is no worker on this machine"):
            probe("worker")
        with pytest.raises(CommandError, match="There is no worker bulk on this machine"):
            probe("worker", "bulk")
        with pytest.raises(CommandError):
            probe("worker", WORKER)
        with pytest.raises(CommandError):
            probe("beat")

    def test_worker_of_another_machine_does_not_count(self) -> None:
        alive.touch("thumbnails@another")
        with pytest.raises(CommandError, match="There is no worker"):
            probe("worker")

    def test_probe_without_heartbeats_is_refused(self, settings: Settings) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "HEARTBEAT": 0}
        with pytest.raises(CommandError, match="HEARTBEAT above 0"):
            probe("worker")


@pytest.mark.usefixtures("folder")
class TestPulse:
    def test_idle_worker_gets_one_canary_for_each_heartbeat(self) -> None:
        alive.touch(WORKER)
        pulse().beat()
        assert broker.queue_depths()["thumbnails"] == 0
        age(WORKER, 21)
        pulse().beat()
        assert broker.queue_depths()["thumbnails"] == 1
        current_app.control.purge()

    def test_queue_of_a_dead_worker_does_not_grow(self) -> None:
        alive.touch(WORKER)
        age(WORKER, alive.longest(WORKER) + 1)
        for _ in range(3):
            pulse().beat()
        # It shows that the worker is alive if it was only suspended.
        assert broker.queue_depths()["thumbnails"] == 1
        current_app.control.purge()

    @pytest.mark.parametrize("kind", [Process.Kind.WORKER, Process.Kind.BEAT])
    def test_process_is_excused_while_the_broker_is_unavailable(
        self, kind: Process.Kind, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = BEAT if kind == Process.Kind.BEAT else WORKER
        alive.touch(name)
        age(name, 30)
        pulse(kind, name).beat()
        assert alive.idle(name) > 20  # type: ignore[operator]
        current_app.control.purge()
        without_broker(monkeypatch)
        pulse(kind, name).beat()
        assert alive.idle(name) < 20  # type: ignore[operator]

    def test_unavailable_database_leaves_the_worker_alive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(**_options: Any) -> None:
            raise OperationalError("the database is away")

        monkeypatch.setattr(processes, "record", away)
        alive.touch(WORKER)
        age(WORKER, 30)
        pulse().beat()
        assert broker.queue_depths()["thumbnails"] == 1
        current_app.control.purge()

    def test_file_that_another_process_removed_is_made_again(self) -> None:
        pulse().beat()
        assert alive.idle(WORKER) is not None

    def test_end_removes_the_row_and_the_file(self) -> None:
        alive.touch(WORKER)
        pulse().beat()
        pulse().end()
        assert not Process.objects.exists()
        assert alive.idle(WORKER) is None

    def test_task_that_is_called_as_a_function_shows_no_work(self, folder: Path) -> None:
        task = current_app.tasks["uploads.monitoring.canary"]
        task()
        task_postrun.send(sender=task, task=task)
        assert not folder.exists()


class TestOrders:
    """A step that an operator has ordered with other presets than this process has."""

    @pytest.fixture
    def ordered(self, send: Send) -> Upload:
        upload = send()
        completion.run_here(upload)
        services.reprocess(uploads=[upload], bulk=True, fingerprint="0123456789abcdef")
        current_app.control.purge()
        return upload

    def test_worker_with_other_presets_leaves_the_step(self, ordered: Upload) -> None:
        for _ in range(2):
            with pytest.raises(Postponed, match="other presets than this worker has"):
                completion.run_here(ordered)
        ordered.refresh_from_db()
        assert ordered.status == "pending"
        lease = Lease.objects.get()
        assert lease.next_attempt_at is not None
        assert lease.next_attempt_at > clock.now()

    def test_worker_that_started_after_the_order_does_it(self, ordered: Upload) -> None:
        with pytest.raises(Postponed):
            completion.run_here(ordered)
        Upload.objects.update(presets_at=clock.began_at() - timedelta(seconds=1))
        completion.run_here(ordered)
        ordered.refresh_from_db()
        assert ordered.status == "ready"
        assert not Lease.objects.exists()

    def test_worker_with_the_same_presets_does_it(self, ordered: Upload) -> None:
        Upload.objects.update(presets=renditions.fingerprint_of_all())
        completion.run_here(ordered)
        ordered.refresh_from_db()
        assert ordered.status == "ready"

    def test_next_reprocessing_replaces_the_order(self, ordered: Upload) -> None:
        Upload.objects.update(status="ready")
        services.reprocess_here(upload=ordered)
        ordered.refresh_from_db()
        assert (ordered.status, ordered.presets, ordered.presets_at) == ("ready", "", None)


@pytest.fixture(
    params=["redis", pytest.param("rabbitmq", marks=[pytest.mark.install, pytest.mark.skipif(
        not is_installed(), reason="RabbitMQ is not installed."
    )])]
)  # fmt: skip
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of the workers: quick heartbeats, and the broker."""
    quick = {"HEARTBEAT": "1", "STEP_TIME_LIMIT": "30", "ALIVE_DIR": str(tmp_path / "alive")}
    if request.param == "redis":
        yield quick
        return
    place = tmp_path / "rabbitmq"
    place.mkdir()
    node = RabbitMQ(place)
    with node.running():
        yield quick | {"CELERY_BROKER_URL": node.url}


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fingerprints() -> set[str]:
    return set(Rendition.objects.filter(preset="small").values_list("fingerprint", flat=True))


@pytest.mark.slow
def test_edited_preset_reaches_only_workers_that_have_it(
    send: Send, tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "edited.py").write_text(EDITED)
    edited = {**variables, "DJANGO_SETTINGS_MODULE": "edited", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    upload = send()
    completion.run_here(upload)
    before = fingerprints()
    old = running_worker(tmp_path / "old", "--hostname=old@%h", queues="bulk", **variables)
    new = running_worker(tmp_path / "new", "--hostname=new@%h", queues="bulk", **edited)
    with old as old_worker, new:
        wait_until(lambda: Process.objects.count() == 2, seconds=30)
        refused = manage("reprocess", "--stale", **edited)
        assert refused.returncode == 1
        assert f"The worker old@{HOST} has other settings of small. Restart it." in refused.stderr
        assert (Upload.objects.get().status, fingerprints()) == ("ready", before)
        waiting = subprocess.Popen(
            [sys.executable, "manage.py", "reprocess", "--stale", "--wait"],
            cwd=ROOT,
            env={**environment(), **edited},
            stderr=subprocess.PIPE,
            text=True,
        )
        with waiting:
            assert waiting.stderr is not None
            assert waiting.stderr.readline().startswith(f"Waiting: The worker old@{HOST}")
            old_worker.terminate()
            waiting.stderr.read()
        assert waiting.returncode == 0
        wait_until(lambda: Upload.objects.get().status == "ready", seconds=60)
        assert not fingerprints() & before


@pytest.mark.slow
def test_worker_that_is_alive_and_takes_nothing_is_noticed(tmp_path: Path, variables: dict[str, str]) -> None:
    quick = {**variables, "STEP_TIME_LIMIT": "20"}
    path = tmp_path / "alive" / f"one@{HOST}"
    with running_worker(tmp_path / "log", "--hostname=one@%h", **quick) as worker:
        wait_until(path.exists, seconds=30)
        started_at = path.stat().st_mtime
        # Without any work, the canary shows that the worker is alive.
        wait_until(lambda: path.stat().st_mtime > started_at + 3, seconds=30)
        assert manage("probe", "worker", "one", **quick).returncode == 0
        for child in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGSTOP)
        wait_until(lambda: manage("probe", "worker", "one", **quick).returncode == 1, seconds=60)
        assert worker.poll() is None
        said = manage("probe", "worker", **quick)
        assert "has taken no task for" in said.stdout


@contextmanager
def running(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python process until the end of the test."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env={**environment(), **variables}, stdin=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_beat_shows_that_it_publishes(tmp_path: Path) -> None:
    variables = {"HEARTBEAT": "1", "ALIVE_DIR": str(tmp_path / "alive")}
    path = tmp_path / "alive" / BEAT
    schedule = f"--schedule={tmp_path / 'schedule'}"
    with running("-m", "celery", "--app=myproject", "beat", "--pidfile=", schedule, **variables):
        wait_until(path.exists, seconds=60)
        started_at = path.stat().st_mtime
        wait_until(lambda: path.stat().st_mtime > started_at + 3, seconds=60)
        assert manage("probe", "beat", **variables).stdout == f"{BEAT}: ok\n"
        assert Process.objects.get().kind == Process.Kind.BEAT
    current_app.control.purge()


@pytest.mark.slow
def test_web_process_sends_heartbeats() -> None:
    with running("-c", "import sys, myproject.asgi; sys.stdin.read()", HEARTBEAT="1") as process:
        wait_until(Process.objects.exists, seconds=60)
        first = Process.objects.get()
        assert (first.name, first.kind) == (f"web@{HOST}:{process.pid}", Process.Kind.WEB)
        wait_until(lambda: Process.objects.get().seen_at > first.seen_at, seconds=60)
