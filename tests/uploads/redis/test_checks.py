"""Invalid settings of Redis stop the start."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks


def found() -> list[tuple[str | None, str]]:
    return [(message.id, message.msg) for message in run_checks(tags=["redis"])]


def test_settings_of_the_tests_have_no_errors() -> None:
    assert found() == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "other"])
def test_unreadable_certificates_are_named(content: bytes | None, settings: Any, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_CA_FILE": str(path)}
    ((code, sentence),) = found()
    assert code == "darkroom.E022"
    assert sentence.startswith(f"REDIS_CA_FILE is {str(path)!r}")


@pytest.mark.parametrize("prefix", ["a*b", "a b", "ü", "a" * 65, "a\n", None])
def test_prefix_that_is_a_pattern_or_too_long_is_named(prefix: Any, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_KEY_PREFIX": prefix}
    ((code, sentence),) = found()
    assert (code, sentence) == ("darkroom.E023", f"REDIS_KEY_PREFIX is {prefix!r}.")


@pytest.mark.parametrize("address", ["sqs://", "memory://", "nonsense"])
def test_broker_is_redis_or_rabbitmq(address: str, settings: Any) -> None:
    settings.CELERY_BROKER_URL = address
    ((code, sentence),) = found()
    assert code == "darkroom.E021"
    assert sentence.startswith("CELERY_BROKER_URL must begin with")


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"])
def test_addresses_of_celery_are_checked(name: str, settings: Any) -> None:
    setattr(settings, name, "sentinel://host")
    ((code, sentence),) = found()
    assert code == "darkroom.E021"
    assert sentence.startswith(f"{name} is an address of Redis Sentinel.")


def test_wrong_address_for_all_is_named_once(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": "valkey://host"}
    settings.REDIS_URL = settings.CELERY_BROKER_URL = settings.CELERY_RESULT_BACKEND = "valkey://host"
    ((code, sentence),) = found()
    assert (code, sentence) == ("darkroom.E021", "REDIS_URL must begin with redis://, rediss:// or unix://.")


def test_rabbitmq_and_no_results_are_accepted(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "amqp://one//;amqp://two//"
    settings.CELERY_RESULT_BACKEND = "disabled://"
    assert found() == []


def test_authority_without_tls_is_an_error(settings: Any) -> None:
    settings.REDIS_CA_FILE = "/etc/ca.pem"
    assert [code for code, _ in found()] == ["darkroom.E024"]
    settings.CELERY_BROKER_URL = "rediss://host"
    assert found() == []
