"""Rate limits: a sender over the limit is told when to continue. Each sender is counted separately."""

import socket
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from redis import Redis

from tests.conftest import MakeImage
from uploads import checks
from uploads.models import Upload
from uploads.receiving import rate_limits
from uploads.receiving.rate_limits import RateLimited

pytestmark = pytest.mark.usefixtures("redis_client")


@pytest.fixture(autouse=True)
def _few(settings: Any) -> None:
    """Allow three images an hour for each person, and five for each address."""
    few = {"UPLOADS_PER_PERSON": "3/hour", "UPLOADS_PER_ADDRESS": "5/hour"}
    settings.DARKROOM = {**settings.DARKROOM, **few}


def may_send(person_id: int, address: str = "192.0.2.1", count: int = 1) -> bool:
    try:
        rate_limits.take(person_id=person_id, address=address, count=count)
    except RateLimited:
        return False
    return True


def test_images_are_limited_per_person() -> None:
    assert [may_send(1, f"192.0.2.{number}") for number in range(4)] == [True, True, True, False]
    assert may_send(2)


def test_images_are_limited_per_address() -> None:
    assert [may_send(person) for person in range(6)] == [True] * 5 + [False]
    assert may_send(9, "192.0.2.2")


def test_several_files_of_a_request_are_counted_each() -> None:
    assert may_send(1, count=2)
    assert not may_send(1, count=2)
    assert may_send(1)


def test_addresses_of_an_ipv6_network_count_as_one() -> None:
    addresses = [f"2001:db8:0:7::{number:x}" for number in range(6)]
    assert [may_send(person, address) for person, address in enumerate(addresses)] == [True] * 5 + [False]
    assert may_send(9, "2001:db8:0:8::1")


def test_invalid_address_is_counted() -> None:
    assert rate_limits.household("") == ""
    assert may_send(1, "")


def test_refusal_contains_the_time_to_wait(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "1/minute"}
    rate_limits.take(person_id=1, address="")
    with pytest.raises(RateLimited, match=r"Try again in \d+ seconds") as refused:
        rate_limits.take(person_id=1, address="")
    assert 0 < (refused.value.retry_after or 0) <= 120


def test_nothing_is_counted_without_a_limit(settings: Any, redis_client: Redis) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "", "UPLOADS_PER_ADDRESS": ""}
    assert all(may_send(1) for _ in range(10))
    assert redis_client.keys("darkroom:rates*") == []


def test_processes_share_their_counts(redis_client: Redis) -> None:
    assert all(may_send(1) for _ in range(3))
    assert redis_client.keys("darkroom:rates*") != []
    other = rate_limits._Counts(
        str(redis_client.connection_pool.connection_kwargs["path"]).join(["unix://", ""])
    )
    assert other.wait(rate_limits.rates("3/hour")[0], "person:1", 1) > 0


def test_uploads_are_allowed_while_redis_is_unavailable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        counts = rate_limits._Counts(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
    assert counts.wait(rate_limits.rates("1/hour")[0], "person:1", 5) == 0
    assert counts._circuit.is_open


def test_invalid_rate_stops_the_start(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "a lot"}
    (error,) = checks.check_rates()
    assert (error.id, "UPLOADS_PER_PERSON" in error.msg) == ("darkroom.E006", True)


@pytest.mark.django_db
def test_form_accepts_files_up_to_the_limit(client: Client, owner: User, make_image: MakeImage) -> None:
    client.force_login(owner)
    files = [SimpleUploadedFile(f"{seed}.jpg", make_image(seed=seed)) for seed in range(5)]
    answer = client.post("/", {"file": files}, follow=True)
    assert Upload.objects.count() == 3
    assert "Too many images in a short time" in answer.content.decode()
