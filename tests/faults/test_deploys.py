"""Workers that have work in progress are stopped and replaced, as in a deployment."""

import io
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from deploy.programs import WORKER_OPTIONS
from tests.conftest import MakeImage
from tests.journeys.test_upload import send_by_token, status_of
from tests.system import System, wait_until

pytestmark = pytest.mark.install

ROUNDS = 2


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Return a running system whose workers have one second to finish their work."""
    running = System(tmp_path_factory.mktemp("system"), STOP_TIME="1")
    with running.ready():
        yield running


@pytest.fixture(scope="module")
def token(system: System) -> str:
    return system.manage("drf_create_token", "demo").stdout.split()[2]


def send(system: System, token: str, data: bytes, name: str = "photo.jpg") -> dict[str, object]:
    status, upload = send_by_token(system, token, data, name)
    assert status == 201
    return upload


def replace(system: System, queue: str) -> None:
    """Stop a worker, and wait until another one has replaced it."""
    former, *_ = system.worker(queue)
    os.kill(former, signal.SIGTERM)
    wait_until(lambda: former not in system.worker(queue) and system.worker(queue))


def test_rolling_restart_under_load_loses_no_upload(
    system: System, token: str, make_image: MakeImage
) -> None:
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(
            lambda: [send(system, token, make_image(seed=number)) for number in range(40)]
        )
        for _ in range(ROUNDS):
            for queue in WORKER_OPTIONS:
                replace(system, queue)
    sent = sending.result()
    wait_until(lambda: all(status_of(upload["url"], token) == "ready" for upload in sent))
    assert "is killed" not in system.output()
    # A lost lease lasts more than two minutes, so this also shows that no worker was considered dead.
    assert system.violations(sent) == []


def test_long_step_is_handed_back_and_restarted(system: System, token: str) -> None:
    wait_until(system.is_ready)
    picture = io.BytesIO()
    Image.new("RGB", (14_000, 14_000), (90, 60, 30)).save(picture, "PNG", compress_level=1)
    upload = send(system, token, picture.getvalue(), "large.png")
    wait_until(lambda: status_of(upload["url"], token) == "processing")
    replace(system, "thumbnails")
    handed_back = re.findall(r"thumbnails .*generate_thumbnails of \w{12} was handed back", system.output())
    assert len(handed_back) == 1
    wait_until(lambda: status_of(upload["url"], token) == "ready")
    assert system.violations([upload]) == []
