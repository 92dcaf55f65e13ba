"""Prometheus scrapes a running site: queries of the dashboard have results, and faults make alerts fire."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from django.conf import settings

from tests.conftest import IN_CI, MakeImage
from tests.faults.person import multipart
from tests.install.prometheus import FOLDER, PROGRAM, PROMTOOL, RULES, Prometheus
from tests.system import System, wait_until

pytestmark = pytest.mark.install

TOKEN = "a-token-of-prometheus"
DASHBOARD = Path(settings.BASE_DIR, "deploy", "grafana", "darkroom.json")
# Metrics and conditions that a site without faults lacks.
FAULTS = ("== 0", "darkroom_upload_failures_total")
# For each alert: its metrics, their values while all is well, and with a fault, a minute apart.
CASES: dict[str, list[tuple[str, str, str]]] = {
    "DarkroomDown": [('up{job="darkroom"}', "1", "0")],
    "DarkroomNotReady": [("darkroom_ready", "1", "0")],
    "DarkroomPartFailing": [('darkroom_part_ok{part="redis"}', "1", "0")],
    "DarkroomNoWorker": [('darkroom_workers{queue="bulk"}', "1", "0")],
    "DarkroomBeatSilent": [('darkroom_part_ok{part="beat"}', "1", "0")],
    "DarkroomQueueOld": [('darkroom_queue_oldest_message_seconds{queue="bulk"}', "1", "601")],
    "DarkroomUploadsWaiting": [("darkroom_oldest_waiting_seconds", "60", "1801")],
    "DarkroomUploadsFailing": [
        ('darkroom_uploads_finished_total{result="ready"}', "0", "0+5"),
        ('darkroom_uploads_finished_total{result="failed"}', "0", "0+1"),
    ],
    "DarkroomTasksRetried": [('darkroom_tasks_total{task="x",state="RETRY"}', "0", "0+3")],
    "DarkroomRendererCrashes": [('darkroom_renderer_crashes_total{kind="crashed"}', "0", "0+1")],
    "DarkroomDeliveriesFailing": [
        ('darkroom_deliveries_total{channel="email",result="failed"}', "0", "0+1"),
        ('darkroom_deliveries_total{channel="email",result="delivered"}', "0", "0"),
    ],
    "DarkroomServerErrors": [('darkroom_responses_total{status_class="5xx"}', "0", "0+2")],
    "DarkroomDatabasePoolExhausted": [("darkroom_database_pool_timeouts_total", "0", "0+1")],
    "DarkroomDiskLow": [("darkroom_disk_low", "0", "1")],
    "DarkroomFilesMissing": [("darkroom_missing_files_total", "0", "0+1")],
    "DarkroomStorageDiffers": [("darkroom_storage_differs", "0", "1")],
    "DarkroomUnknownFiles": [("darkroom_unknown_files", "5", "1001")],
}


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    if PROGRAM is None or PROMTOOL is None:
        if IN_CI:
            pytest.fail("There is no Prometheus.")
        pytest.skip("There is no Prometheus; on Debian and Ubuntu: apt-get install prometheus")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run(
        [PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=FOLDER
    )


def test_files_are_valid() -> None:
    assert promtool("check", "rules", str(RULES)).returncode == 0
    assert promtool("check", "config", "--syntax-only", "prometheus.yml").returncode == 0


def test_every_alert_has_a_case() -> None:
    assert set(re.findall(r"alert: (\w+)", RULES.read_text())) == set(CASES)


def test_each_alert_fires_by_its_fault_alone(tmp_path: Path) -> None:
    count = 'count by (alertname) (ALERTS{alertstate="firing"})'
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": series, "values": f"{well}x60 {fault}x90"} for series, well, fault in case
            ],
            "promql_expr_test": [
                {"expr": count, "eval_time": "60m", "exp_samples": []},
                {
                    "expr": count,
                    "eval_time": "150m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}],
                },
            ],
        }
        for name, case in CASES.items()
    ]
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    result = promtool("test", "rules", str(file))
    assert result.returncode == 0, result.stdout + result.stderr


class Site:
    """A running site that Prometheus scrapes, and a token of the demo person."""

    def __init__(self, system: System, prometheus: Prometheus) -> None:
        self.system = system
        self.prometheus = prometheus
        self._key = system.manage("drf_create_token", "demo").stdout.split()[2]

    def send(self, data: bytes) -> dict[str, Any]:
        """Upload a picture."""
        body, headers = multipart(data, name="photo.jpg")
        sent: dict[str, Any] = self.api("/api/uploads/", body, headers)
        return sent

    def api(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        """Return the answer of the REST API."""
        own = {"Authorization": f"Token {self._key}", **(headers or {})}
        request = urllib.request.Request(self.system.url + path, body, own)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def finished(self, data: bytes) -> dict[str, Any]:
        """Upload a picture, and wait until it is ready or has failed."""
        path = f"/api/uploads/{self.send(data)['id']}/"
        wait_until(lambda: self.api(path)["status"] in {"ready", "failed"})
        found: dict[str, Any] = self.api(path)
        return found

    def fires(self, *names: str) -> None:
        """Wait until these alerts fire."""
        wait_until(lambda: set(names) <= self.prometheus.firing())

    @property
    def media(self) -> Path:
        return Path(self.system.environment["MEDIA_ROOT"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    system = System(tmp_path_factory.mktemp("site"), METRICS="1", METRICS_TOKEN=TOKEN)
    folder = tmp_path_factory.mktemp("prometheus")
    prometheus = Prometheus(folder, site_port=system.port, token=TOKEN)
    with system.ready(), prometheus.running():
        wait_until(system.is_ready)
        yield Site(system, prometheus)


@contextlib.contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_site_without_faults_has_no_alert(site: Site, make_image: MakeImage) -> None:
    assert site.finished(make_image(seed=1))["status"] == "ready"
    wait_until(lambda: site.prometheus.value("darkroom_uploads_finished_total") == 1)
    wait_until(lambda: not site.prometheus.firing())
    assert set(site.prometheus.rules()) == set(CASES)
    assert set(site.prometheus.rules().values()) == {"ok"}


def test_each_query_of_the_dashboard_has_a_result(site: Site) -> None:
    queries = [
        target["expr"].replace("$__rate_interval", "1m")
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    ]
    assert len(queries) > 30
    usual = [query for query in queries if not any(fault in query for fault in FAULTS)]

    def empty() -> list[str]:
        return [query for query in usual if not site.prometheus.query(query)]

    with contextlib.suppress(AssertionError):
        wait_until(lambda: not empty(), seconds=30)
    assert empty() == []
    for query in set(queries) - set(usual):
        site.prometheus.query(query)


def test_work_of_all_processes_is_counted(site: Site) -> None:
    value = site.prometheus.value
    # The web process has received the file, and workers have done the steps.
    assert value("darkroom_uploads_received_total") == 1
    assert value("darkroom_renditions_rendered_total") == value("darkroom_renditions")
    assert value('darkroom_step_seconds_count{step="decode"}') >= 1
    assert value('darkroom_tasks_total{task="uploads.recurring.sweep",state="SUCCESS"}') >= 1
    assert value('darkroom_requests_total{route="uploads:metrics",status="200"}') >= 1


def test_frozen_worker_fires(site: Site, make_image: MakeImage) -> None:
    with site.system.held("renditions"):
        site.send(make_image(seed=2))
        site.fires("DarkroomNoWorker", "DarkroomQueueOld", "DarkroomUploadsWaiting")
    wait_until(lambda: not {"DarkroomNoWorker", "DarkroomUploadsWaiting"} & site.prometheus.firing())


def test_failing_uploads_fire(site: Site, make_image: MakeImage) -> None:
    for seed in range(10, 17):
        assert site.finished(make_image(seed=seed)[:1500])["status"] == "failed"
    site.fires("DarkroomUploadsFailing")
    assert site.prometheus.value("darkroom_upload_failures_total") == 7


def test_missing_file_fires(site: Site, make_image: MakeImage) -> None:
    upload = site.finished(make_image(seed=3))
    shutil.rmtree(site.media / "renditions")
    for rendition in upload["renditions"]:
        with contextlib.suppress(HTTPError):
            urllib.request.urlopen(rendition["url"], timeout=10)
    site.fires("DarkroomFilesMissing")


def test_silent_beat_fires(site: Site) -> None:
    with frozen([pid for pid, line in site.system.processes().items() if " beat" in line]):
        site.fires("DarkroomBeatSilent")


def test_storage_of_another_site_fires(site: Site) -> None:
    file = site.media / "generation"
    own = file.read_bytes()
    file.write_bytes(b"another")
    site.fires("DarkroomStorageDiffers")
    file.write_bytes(own)


def test_unavailable_storage_fires(site: Site, make_image: MakeImage) -> None:
    site.media.rename(site.media.with_name("away"))
    site.media.write_text("no folder")
    for seed in range(20, 30):
        with contextlib.suppress(HTTPError):
            site.send(make_image(seed=seed))
    site.fires("DarkroomNotReady", "DarkroomPartFailing", "DarkroomServerErrors")
    site.media.unlink()
    site.media.with_name("away").rename(site.media)


def test_unavailable_web_process_fires(site: Site) -> None:
    with frozen([pid for pid, line in site.system.processes().items() if "uvicorn" in line]):
        site.fires("DarkroomDown")
