"""The system on RabbitMQ, with quorum queues."""

from collections.abc import Iterator

import pytest

from tests.conftest import IN_CI, MakeImage
from tests.journeys.test_upload import send_by_token, status_of, upload_at
from tests.rabbitmq import RabbitMQ, is_installed
from tests.system import System, wait_until

pytestmark = pytest.mark.install

# A few, so that a small batch exceeds it.
AT_ONCE = 2
QUEUES = {"thumbnails", "renditions", "notifications", "bulk", "maintenance"}


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """Return a running RabbitMQ node."""
    if not is_installed():
        if IN_CI:
            pytest.fail("There is no RabbitMQ.")
        pytest.skip("There is no RabbitMQ; install Debian's package rabbitmq-server.")
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    with node.running():
        yield node


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitMQ) -> Iterator[System]:
    """Return a running system that uses this node as its broker."""
    running = System(
        tmp_path_factory.mktemp("system"), CELERY_BROKER_URL=rabbitmq.url, UPLOADS_AT_ONCE=str(AT_ONCE)
    )
    with running.ready():
        yield running


@pytest.fixture(scope="module")
def token(system: System) -> str:
    return system.manage("drf_create_token", "demo").stdout.split()[2]


def send(system: System, token: str, data: bytes) -> dict[str, object]:
    """Upload a picture and return the upload."""
    status, upload = send_by_token(system, token, data, "photo.jpg")
    assert status == 201
    return upload


def all_ready(uploads: list[dict[str, object]], token: str) -> bool:
    return all(status_of(upload["url"], token) == "ready" for upload in uploads)


def has_thumbnails(url: object, token: str) -> bool:
    """Return whether an upload shows its thumbnails, before its sizes are ready."""
    return {rendition["preset"] for rendition in upload_at(url, token)["renditions"]} == {"thumb"}


def test_uploads_are_processed_on_quorum_queues(
    system: System, rabbitmq: RabbitMQ, token: str, make_image: MakeImage
) -> None:
    sent = [send(system, token, make_image(seed=number)) for number in range(3)]
    wait_until(lambda: all_ready(sent, token))
    assert system.is_ready()
    types = rabbitmq.queue_types()
    assert {types[name] for name in QUEUES} == {"quorum"}
    assert "Failed to" not in system.output()


def test_thumbnails_of_a_batch_do_not_wait_for_sizes(
    system: System, rabbitmq: RabbitMQ, token: str, make_image: MakeImage
) -> None:
    with system.held("renditions"):
        sent = [send(system, token, make_image(seed=40 + number)) for number in range(3 * AT_ONCE)]
        wait_until(lambda: all(has_thumbnails(upload["url"], token) for upload in sent))
        assert rabbitmq.waiting("renditions") <= AT_ONCE
    wait_until(lambda: all_ready(sent, token))


def test_killed_node_restarts_with_its_queues(
    system: System, rabbitmq: RabbitMQ, token: str, make_image: MakeImage
) -> None:
    with system.held("thumbnails"):
        sent = [send(system, token, make_image(seed=10 + number)) for number in range(3)]
        rabbitmq.kill()
        sent += [send(system, token, make_image(seed=20 + number)) for number in range(3)]
        rabbitmq.start()
        wait_until(lambda: rabbitmq.waiting("thumbnails") >= AT_ONCE)
    wait_until(lambda: all_ready(sent, token))
    assert system.violations(sent) == []


def test_stalled_node_delays_no_request(
    system: System, rabbitmq: RabbitMQ, token: str, make_image: MakeImage
) -> None:
    with rabbitmq.stalled():
        # The first call has an open connection. The others try to open one.
        sent = [send(system, token, make_image(seed=30 + number)) for number in range(3)]
    wait_until(lambda: all_ready(sent, token))
