"""The whole system on a Redis that speaks TLS, whose user may use the keys of this site only."""

import base64
import json
import re
import urllib.request
from collections.abc import Iterator

import pytest

from tests.conftest import MakeImage
from tests.journeys.test_upload import send_by_token, status_of
from tests.redis_server import PREFIX, TLSRedis
from tests.system import System, wait_until

pytestmark = pytest.mark.install


@pytest.fixture
def system(tmp_path_factory: pytest.TempPathFactory, tls_redis: TLSRedis) -> Iterator[System]:
    """Return a running system that uses this Redis for everything."""
    running = System(tmp_path_factory.mktemp("system"), **tls_redis.settings)
    with running.ready():
        yield running


def queues_in_flower(system: System) -> set[str]:
    found = re.search(r"(http://\S+)  \((demo), (\S+)\)", system.output())
    assert found is not None
    url, *login = found.groups()
    key = base64.b64encode(":".join(login).encode()).decode()
    request = urllib.request.Request(f"{url}/api/queues/length", headers={"Authorization": f"Basic {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return {queue["name"] for queue in json.load(answer)["active_queues"]}


def test_web_workers_beat_and_flower_use_one_address(
    system: System, tls_redis: TLSRedis, make_image: MakeImage
) -> None:
    wait_until(system.is_ready)
    token = system.manage("drf_create_token", "demo").stdout.split()[2]
    status, upload = send_by_token(system, token, make_image(), "photo.jpg")
    assert status == 201
    wait_until(lambda: status_of(upload["url"], token) == "ready")
    assert {"thumbnails", "renditions", "bulk"} <= queues_in_flower(system)
    with tls_redis.client() as client:
        keys = {bytes(key).decode() for key in client.scan_iter()}
    assert any("darkroom:rates" in key for key in keys)
    assert all(key.startswith(PREFIX) for key in keys)
    assert not re.search("Traceback|NOPERM|CERT_NONE|insecure", system.output())
