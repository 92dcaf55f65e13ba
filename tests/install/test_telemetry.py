"""Sentry and OpenTelemetry, each with a receiver of the test, in an environment that has their packages."""

import gzip
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.ports import HOST, any_free_port
from tests.conftest import MakeImage
from tests.install.project import make_environment
from tests.journeys.test_upload import send_by_token, status_of
from tests.processing.processes import ROOT, environment
from tests.receiver import Receiver, receiving
from tests.storage.servers import ACCESS_KEY, SECRET_KEY, moto_server, s3_storage
from tests.system import System, wait_until

pytestmark = pytest.mark.install

NAME, ADDRESS = "the-operation-of-mrs-miller.jpg", "miller@example.com"
PARTS = {"queue_wait", "read", "decode", "resize", "encode", "write"}
DECODE = """
import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
for line in sys.stdin:
    print(json.dumps(MessageToDict(ExportTraceServiceRequest.FromString(bytes.fromhex(line)))))
"""
FAIL = f"""
import logging
try:
    raise ValueError("cannot read {NAME} of {ADDRESS}")
except ValueError:
    logging.getLogger("uploads").exception("Failed for {ADDRESS}", extra={{"file_name": "{NAME}"}})
from celery import current_app
current_app.send_task("uploads.tasks.notify_owner", kwargs={{"upload_id": "{NAME}"}})
"""
UNAVAILABLE = """
import logging, time
import django
django.setup()
from processing.spans import span
lines = []
class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.name)
logging.getLogger().addHandler(Lines())
for attempt in range(3):
    logging.getLogger("uploads").error("Failed.")
    with span("read"):
        pass
    while len({name for name in lines if "telemetry" in name}) < 2:
        time.sleep(0.01)
print(sorted(name for name in lines if name != "uploads"))
"""

Span = dict[str, Any]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with both extras."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    folder = tmp_path_factory.mktemp("telemetry") / "environment"
    return make_environment(folder, [*extras["sentry"], *extras["otel"]])


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def base_of(receiver: Receiver) -> str:
    return receiver.url.removesuffix("/hook")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, python: Path, receiver: Receiver) -> Iterator[System]:
    """Return a running system with its media in a bucket, which reports to the receiver."""
    address = base_of(receiver)
    with moto_server() as endpoint:
        with s3_storage(endpoint) as storage:
            storage.connection.create_bucket(Bucket="media")
        running = System(
            tmp_path_factory.mktemp("system"),
            python=str(python),
            SENTRY_DSN=f"{address.replace('//', '//key@')}/1",
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_BSP_SCHEDULE_DELAY="200",
            S3_BUCKET="media",
            AWS_S3_ENDPOINT_URL=endpoint,
            AWS_DEFAULT_REGION="us-east-1",
            AWS_ACCESS_KEY_ID=ACCESS_KEY,
            AWS_SECRET_ACCESS_KEY=SECRET_KEY,
        )
        with running.ready():
            yield running


def text_of(body: bytes) -> bytes:
    """Return a body of Sentry, uncompressed."""
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def spans_of(receiver: Receiver, python: Path) -> list[Span]:
    """Return the received spans; attributes are by name."""
    bodies = [one.body for one in receiver.requests if one.path == "/v1/traces"]
    read = subprocess.run(
        [str(python), "-c", DECODE],
        input="\n".join(body.hex() for body in bodies),
        capture_output=True,
        text=True,
        check=True,
    )
    exports = [json.loads(line) for line in read.stdout.splitlines()]
    found = [
        span
        for export in exports
        for resource in export.get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    for span in found:
        values = {one["key"]: next(iter(one["value"].values()), "") for one in span.get("attributes", [])}
        span["attributes"] = values
    return found


def trace_of(name: str, spans: list[Span]) -> list[Span]:
    """Return the spans of the trace that begins with this name."""
    first = [span["traceId"] for span in spans if span["name"] == name]
    return [span for span in spans if span["traceId"] in first]


def test_trace_leads_from_the_request_to_the_last_task(
    system: System, python: Path, receiver: Receiver, make_image: MakeImage
) -> None:
    token = system.manage("drf_create_token", "demo").stdout.split()[2]
    status, upload = send_by_token(system, token, make_image(width=2000, height=1500), NAME)
    assert status == 201
    wait_until(lambda: status_of(upload["url"], token) == "ready")
    request, last = "POST /api/uploads/", "uploads.tasks.notify_owner"
    wait_until(lambda: last in {span["name"] for span in trace_of(request, spans_of(receiver, python))})
    trace = trace_of(request, spans_of(receiver, python))
    by_id = {span["spanId"]: span for span in trace}
    parents = {
        (span["name"], by_id[span["parentSpanId"]]["name"])
        for span in trace
        if span.get("parentSpanId") in by_id
    }
    steps = [f"processing.tasks.{name}" for name in ("generate_thumbnails", "resize_image")]
    assert {(part, steps[1]) for part in PARTS} <= parents
    assert ("queue_wait", last) in parents
    assert ("SELECT", steps[0]) in parents
    assert ("INSERT", request) in parents
    assert any(name.startswith("S3.") for name, _parent in parents)
    (first,) = [span for span in trace if span["name"] == request]
    assert first["attributes"]["http.response.status_code"] in {201, "201"}
    assert {span["attributes"].get("darkroom.upload_id") for span in trace if span["name"] in steps} == {
        upload["id"]
    }
    said = json.dumps(spans_of(receiver, python))
    assert NAME not in said
    assert token not in said


def test_errors_reach_sentry_without_personal_data(system: System, receiver: Receiver) -> None:
    assert system.manage("shell", "--no-imports", "--command", FAIL).returncode == 0

    def events() -> list[str]:
        return [text_of(one.body).decode() for one in receiver.requests if one.path == "/api/1/envelope/"]

    wait_until(lambda: sum('"exception"' in event for event in events()) >= 2, seconds=40)
    said = "".join(events())
    assert "ValueError" in said
    assert "cannot read (file) of (address)" in said
    assert "ValidationError" in said
    assert re.search(r'"request_id": ?"[0-9a-f]{32}"', said)
    for hidden in (NAME, ADDRESS):
        assert hidden not in said


def test_unavailable_receivers_are_reported_once_and_hold_nothing_up(python: Path, tmp_path: Path) -> None:
    nothing = f"http://{HOST}:{any_free_port()}"
    process = subprocess.run(
        [str(python), "-c", UNAVAILABLE],
        cwd=ROOT,
        env={
            **environment(),
            "SENTRY_DSN": f"{nothing.replace('//', '//key@')}/1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": nothing,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "VAR_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "['myproject.telemetry.errors', 'myproject.telemetry.traces']\n"
