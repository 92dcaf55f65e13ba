"""A Prometheus for the tests, with the rules of `deploy/prometheus`, which scrapes a running site."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

from django.conf import settings

from deploy.ports import HOST, any_free_port
from tests.system import wait_until

PROGRAM, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
FOLDER = Path(settings.BASE_DIR, "deploy", "prometheus")
RULES = FOLDER / "alerts.yml"


class Prometheus:
    """Run the example's configuration at a faster pace.

    Alerts fire at once, and ages count from two seconds on: a test cannot wait for half an hour.
    """

    def __init__(self, folder: Path, *, site_port: int, token: str) -> None:
        self._folder = folder
        self._port = any_free_port()
        example = (FOLDER / "prometheus.yml").read_text()
        changes = (("15s", "5s"), ("127.0.0.1:8000", f"{HOST}:{site_port}"))
        for old, new in changes:
            assert old in example
            example = example.replace(old, new)
        (folder / "prometheus.yml").write_text(example)
        (folder / "metrics_token").write_text(token)
        rules = re.sub(r"for: \w+", "for: 0s", RULES.read_text())
        (folder / "alerts.yml").write_text(re.sub(r"seconds > \d+", "seconds > 2", rules))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the server, and begin when it has scraped the site."""
        assert PROGRAM is not None
        command = (
            *(PROGRAM, f"--config.file={self._folder}/prometheus.yml", "--log.level=warn"),
            *(f"--web.listen-address={HOST}:{self._port}", f"--storage.tsdb.path={self._folder}/data"),
        )
        with (self._folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
            try:
                wait_until(lambda: process.poll() is not None or self._is_scraping())
                assert process.poll() is None, (self._folder / "log").read_text()
                yield
            finally:
                process.kill()

    def _is_scraping(self) -> bool:
        with contextlib.suppress(OSError, HTTPException):
            return bool(self.query("up == 1"))
        return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of a query; one with an error raises `HTTPError`."""
        found: list[dict[str, Any]] = self._get("query?" + urllib.parse.urlencode({"query": expression}))[
            "result"
        ]
        return found

    def value(self, expression: str) -> float:
        """Return the sum of the values of a query."""
        return sum(float(series["value"][1]) for series in self.query(expression))

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def rules(self) -> dict[str, str]:
        """Return the health of each rule, by the name of its alert."""
        (group,) = self._get("rules")["groups"]
        return {rule["name"]: rule["health"] for rule in group["rules"]}

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{HOST}:{self._port}/api/v1/{path}", timeout=10) as response:
            return json.load(response)["data"]
