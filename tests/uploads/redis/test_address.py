"""One address of Redis means the same to each client, and what one of them would misread is refused."""

from typing import Any

import pytest
from django.core.checks import run_checks
from kombu import Connection
from redis.connection import parse_url

from uploads.redis.address import InvalidAddress, parse, spelled, tls_options

LOGIN = {"username": "dark:room", "password": "p@ss:/?#[]%;, w"}
ENCODED = "dark%3Aroom:p%40ss%3A%2F%3F%23%5B%5D%25%3B%2C%20w"
ADDRESSES: dict[str, dict[str, Any]] = {
    "redis://host": {"host": "host", "port": 6379, "db": 0},
    "redis://host:1234/3": {"host": "host", "port": 1234, "db": 3},
    "redis://:secret@host/": {"host": "host", "port": 6379, "db": 0, "password": "secret"},
    f"rediss://{ENCODED}@host:1234/3": {"host": "host", "port": 1234, "db": 3, **LOGIN},
    # Only @, : and ; need no code to be read as they are meant.
    "rediss://ada:a@b:c;d@host/2": {
        "host": "host", "port": 6379, "db": 2, "username": "ada", "password": "a@b:c;d",
    },
    "rediss://host/1?ssl_cert_reqs=CERT_REQUIRED": {"host": "host", "port": 6379, "db": 1},
    "rediss://[2001:db8::7]:1234/15": {"host": "2001:db8::7", "port": 1234, "db": 15},
    "unix:///run/redis.sock": {"path": "/run/redis.sock"},
    "unix:///a%20folder/of%25/redis.sock?db=3": {"path": "/a folder/of%/redis.sock", "db": 3},
    f"unix://{ENCODED}@/run/redis.sock?db=3": {"path": "/run/redis.sock", "db": 3, **LOGIN},
    "redis+socket:///run/redis.sock?virtual_host=3": {"path": "/run/redis.sock", "db": 3},
}  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES)
def test_address_means_the_same_to_redis_py(text: str) -> None:
    known = parse_url(parse(text).url)  # type: ignore[no-untyped-call]
    known.pop("connection_class", None)
    assert known == ADDRESSES[text]


@pytest.mark.parametrize("text", ADDRESSES)
def test_address_means_the_same_to_kombu(text: str) -> None:
    with Connection(spelled(text, for_kombu=True), ssl=tls_options(text, "") or False) as connection:
        transport: Any = connection.transport
        channel = object.__new__(transport.Channel)
        channel.connection = transport
        known = channel._connparams()
    wanted = {"db": 0, "username": None, "password": None} | ADDRESSES[text]
    assert {name: known.get(name) for name in wanted} == wanted


def test_addresses_are_spelled_alike_a_second_time() -> None:
    for text in ADDRESSES:
        once = spelled(text)
        assert spelled(once) == spelled(spelled(once, for_kombu=True)) == once


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sentinel://host:26379/0", "Redis Sentinel"),
        ("redis+sentinel://host:26379/mymaster", "Redis Sentinel"),
        ("redis-sentinel://host:26379", "Redis Sentinel"),
        ("redis+cluster://host:6379", "Redis Cluster"),
        ("rediss-cluster://host:6379", "Redis Cluster"),
        ("redis://one:6379,two:6379/0", "several servers"),
        ("redis://:secret@one:6379;redis://:secret@two:6379", "several servers"),
        ("valkey://host", "must begin with"),
        ("host:6379", "must begin with"),
        ("redis://:secret/1@host/0", "%2F for /"),
        ("redis://:secret#1@host/0", "%23 for #"),
        ("redis://:secret[1@host/0", "%5B for"),
        ("redis://ada:1234?secret@host/0", "write %3F"),
        ("redis://host:port/0", "cannot be read"),
        ("redis://host/secret", "number of a database"),
        ("redis://host/3/4", "number of a database"),
        ("redis://host/0?socket_timeout=3", "Remove the ?"),
        ("rediss://host/0?ssl_cert_reqs=none", "always verified"),
        ("rediss://host/0?ssl_ca_certs=/a/file", "REDIS_CA_FILE"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix:///run/redis.sock?db=x", "number of a database"),
    ],
)
def test_other_addresses_stop_the_start_with_a_sentence(text: str, said: str, settings: Any) -> None:
    with pytest.raises(InvalidAddress, match=said.replace("?", r"\?")):
        parse(text)
    assert spelled(text) == text
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": text}
    (error,) = run_checks(tags=["redis"])
    assert error.id == "darkroom.E021"
    assert error.msg.startswith("REDIS_URL ")
    assert said in error.msg
    assert "secret" not in error.msg


def test_certificates_are_verified() -> None:
    options = tls_options("rediss://host", "/etc/ca.pem")
    assert options["ssl_cert_reqs"].name == "CERT_REQUIRED"
    assert options["ssl_check_hostname"] is True
    assert options["ssl_ca_certs"] == "/etc/ca.pem"
    assert tls_options("redis://host", "/etc/ca.pem") == {}
