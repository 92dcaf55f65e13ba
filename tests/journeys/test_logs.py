"""The lines of a whole system: one id leads from a request to its last delivery, and no line has a secret."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import MakeImage
from tests.journeys.mailbox import Mailbox
from tests.journeys.test_upload import send_by_token, status_of
from tests.receiver import receiving
from tests.system import System, wait_until

pytestmark = pytest.mark.journey

# The id that a proxy gives to a request.
GIVEN = "0123456789abcdef0123456789abcdef"
NAME = "the-operation-of-mrs-miller.jpg"
ADDRESS = "demo@example.com"
STEPS = [
    "processing.tasks.generate_thumbnails",
    "processing.tasks.resize_image",
    "uploads.tasks.notify_owner",
]
WANT_MAIL = """
from django.contrib.auth.models import User
User.objects.filter(username="demo").update(email="demo@example.com")
"""

Line = dict[str, Any]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, mailbox: tuple[Mailbox, str]) -> Iterator[System]:
    """Return a running system that logs in JSON."""
    folder = tmp_path_factory.mktemp("system")
    environment = {"LOG_FORMAT": "json", "EMAIL_URL": mailbox[1], "WEBHOOK_PRIVATE_ADDRESSES": "1"}
    running = System(folder, **environment)
    with running.ready():
        yield running


@pytest.fixture(scope="module")
def token(system: System) -> str:
    return system.manage("drf_create_token", "demo").stdout.split()[2]


def lines(system: System) -> list[Line]:
    """Return the lines of the web server, the workers and beat."""
    found = re.findall(r"^(\S+) +│ (\{.*\})$", system.output(), re.MULTILINE)
    return [{"process": process, **json.loads(text)} for process, text in found]


def about(system: System, request_id: str) -> list[Line]:
    return [line for line in lines(system) if line.get("request_id") == request_id]


def asked(system: System, path: str, token: str, **headers: str) -> str:
    """Send a request, and return the id in the response."""
    request = urllib.request.Request(
        f"{system.url}{path}", headers={"Authorization": f"Token {token}", **headers}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(response.headers["X-Request-ID"])


def add_webhook(system: System, token: str, url: str) -> str:
    """Add an endpoint, and return its secret."""
    request = urllib.request.Request(
        f"{system.url}/api/webhooks/",
        data=json.dumps({"url": url, "events": ["upload.ready"]}).encode(),
        headers={"Authorization": f"Token {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(json.loads(response.read())["secrets"][0]["secret"])


def test_one_id_leads_from_the_request_to_the_last_delivery(
    system: System, token: str, mailbox: tuple[Mailbox, str], make_image: MakeImage
) -> None:
    system.manage("shell", "--no-imports", "--command", WANT_MAIL)
    with receiving() as receiver:
        secret = add_webhook(system, token, f"{receiver.url}/{GIVEN}-secret-path")
        status, upload = send_by_token(system, token, make_image(width=1500, height=1000), NAME)
        assert status == 201
        wait_until(lambda: status_of(upload["url"], token) == "ready" and receiver.requests)
        (request,) = [
            line for line in lines(system) if line.get("path") == "/api/uploads/" and line["status"] == 201
        ]
        request_id = request["request_id"]
        deliveries = "uploads.tasks.deliver"
        wait_until(lambda: any(line.get("task") == deliveries for line in about(system, request_id)))
    found = about(system, request_id)
    tasks = [line["task"] for line in found if "task" in line]
    assert all(tasks.count(step) == 1 for step in STEPS)
    assert {line["process"] for line in found} == {"web", "thumbnails", "renditions", "notifications"}
    assert {line.get("upload_id") for line in found} == {upload["id"]}
    assert (request["level"], request["method"], request["process"]) == ("INFO", "POST", "web")
    assert all(line["seconds"] >= 0 and line["task_id"] for line in found if "task" in line)

    asked(system, f"/i/{upload['id']}/thumb?link={GIVEN}-link", token)
    said = system.output()
    for hidden in (secret, token, NAME, ADDRESS, f"{GIVEN}-secret-path", f"{GIVEN}-link"):
        assert hidden not in said


def test_id_of_a_trusted_proxy_is_taken(system: System, token: str) -> None:
    proxied = {"X-Forwarded-For": "203.0.113.7", "X-Request-ID": GIVEN}
    assert asked(system, "/api/quota/", token, **proxied) == GIVEN
    wait_until(lambda: [line["path"] for line in about(system, GIVEN)] == ["/api/quota/"])


@pytest.mark.parametrize(
    "given", [{"X-Request-ID": GIVEN}, {"X-Forwarded-For": "203.0.113.7", "X-Request-ID": "a b"}]
)
def test_other_ids_are_replaced(system: System, token: str, given: dict[str, str]) -> None:
    assert re.fullmatch("[0-9a-f]{32}", asked(system, "/api/quota/", token, **given))
    assert asked(system, "/api/quota/", token, **given) != given["X-Request-ID"]


def test_every_line_is_json_with_time_level_logger_and_event(system: System) -> None:
    # The lines that other programs print at their start are text: Redis, and the supervisor's own.
    shown = re.findall(
        r"^(web|thumbnails|renditions|notifications|bulk|beat) +│ (.*)$", system.output(), re.MULTILINE
    )
    assert len(shown) > 5
    for _process, text in shown:
        assert {"time", "level", "logger", "event"} <= set(json.loads(text))
