"""System checks of this site: the accepted values of its secret key, and no demo in production."""

import secrets
from typing import Any

import pytest
from django.core.checks import run_checks


def found(*, at_deployment: bool) -> set[str | None]:
    return {message.id for message in run_checks(include_deployment_checks=at_deployment)}


@pytest.mark.parametrize(
    "key",
    [
        "changeme", "x" * 64, "too short", "django-insecure-k5z#q0m!x8r2w7v^t4y1u6i9o3p5a", "abc" * 30,
        "<64 random characters, the same on every machine>", "change-me-before-you-go-to-production-please",
        "your_secret_key_stands_here_some_day_1234",
    ],
)  # fmt: skip
def test_weak_secret_key_is_refused(settings: Any, key: str) -> None:
    settings.SECRET_KEY = key
    assert "darkroom.E004" in found(at_deployment=False)
    settings.DEBUG = True
    assert "darkroom.E004" not in found(at_deployment=False)


def test_weak_earlier_key_is_refused(settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [secrets.token_urlsafe(64), "too short"]
    (error,) = [message for message in run_checks() if message.id == "darkroom.E004"]
    assert error.msg.startswith("SECRET_KEY_FALLBACKS is")
    settings.SECRET_KEY_FALLBACKS = [secrets.token_urlsafe(64), secrets.token_urlsafe(32)]
    assert "darkroom.E004" not in found(at_deployment=False)


def test_random_secret_keys_are_accepted(settings: Any) -> None:
    for size in (24, 32, 48, 64):
        settings.SECRET_KEY = secrets.token_urlsafe(size)
        assert "darkroom.E004" not in found(at_deployment=False)


def test_generated_secret_key_causes_a_warning_at_deployment(settings: Any) -> None:
    assert "darkroom.W003" not in found(at_deployment=True)
    settings.SECRET_KEY_IS_LOCAL = True
    assert "darkroom.W003" in found(at_deployment=True)
    assert "darkroom.W003" not in found(at_deployment=False)


def test_demo_is_an_error_in_production_only(settings: Any) -> None:
    assert "darkroom.E009" not in found(at_deployment=True)
    settings.DEMO = True
    assert "darkroom.E009" in found(at_deployment=True)
    assert "darkroom.E009" not in found(at_deployment=False)
