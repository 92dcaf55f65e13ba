"""System checks of this site's secret keys, its demo, and Celery's addresses."""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks

from uploads.redis import checks as redis_checks
from uploads.redis.address import is_redis, tls_options

# Placeholders from examples, and from the settings that Django's `startproject` writes.
_PLACEHOLDER = re.compile(
    r"change.?me|change.?this|django-insecure|your.?secret|secret.?key|placeholder|[<>…]", re.IGNORECASE
)
_RABBITMQ = ("amqp://", "amqps://", "pyamqp://")
# The minimum length, and the minimum number of different characters.
_CHARACTERS, _DISTINCT_CHARACTERS = 32, 8


@checks.register
def check_secret_key(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for a known or guessable secret key, current or earlier, unless `DEBUG` is on."""
    if settings.DEBUG:
        return []
    keys = {"SECRET_KEY": [settings.SECRET_KEY], "SECRET_KEY_FALLBACKS": settings.SECRET_KEY_FALLBACKS}
    return [_guessable(name) for name, values in keys.items() if any(map(_is_guessable, values))]


def _is_guessable(key: str) -> bool:
    few = len(key) < _CHARACTERS or len(set(key)) < _DISTINCT_CHARACTERS
    return few or _PLACEHOLDER.search(key) is not None


def _guessable(name: str) -> checks.Error:
    hints = {
        "SECRET_KEY": "Set it to 64 random characters: "
        'python -c "import secrets; print(secrets.token_urlsafe(64))". '
        "On a single machine, you can leave it unset.",
        "SECRET_KEY_FALLBACKS": "List only earlier keys, separated by commas, and remove this one. "
        "Its signatures become invalid.",
    }
    return checks.Error(
        f"{name} is a default or too easy to guess. An attacker who knows it can sign in as any user.",
        hint=hints[name],
        id="darkroom.E004",
    )


@checks.register(checks.Tags.security, deploy=True)
def check_shared_secret_key(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if each machine generates a different secret key."""
    if not settings.SECRET_KEY_IS_LOCAL:
        return []
    return [
        checks.Warning(
            "SECRET_KEY is not set. This machine generated its own key, which other machines do not have.",
            hint="Set the same key on every machine of the site, and back it up.",
            id="darkroom.W003",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_demo(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if a link can sign a person in without a password."""
    if not settings.DEMO:
        return []
    return [
        checks.Error(
            "DEMO is on, so a link signs in a superuser without a password.",
            hint="Remove DEMO from the environment and from .env. Only `make run` needs it.",
            id="darkroom.E009",
        )
    ]


@checks.register(redis_checks.TAG)
def check_celery_addresses(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each address of Celery at which it could not speak to Redis or RabbitMQ."""
    found: list[checks.CheckMessage] = []
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        address = getattr(settings, name)
        # Without a value of its own, it is REDIS_URL, which has its own check.
        if address != settings.REDIS_URL:
            found += _errors_of(name, address)
    return found


def _errors_of(name: str, address: str) -> Sequence[checks.CheckMessage]:
    if is_redis(address):
        return redis_checks.errors_of(name, address)
    if name == "CELERY_RESULT_BACKEND" or address.startswith(_RABBITMQ):
        return []
    return [
        checks.Error(
            f"{name} must begin with redis://, rediss://, unix://, amqp:// or amqps://.",
            id="darkroom.E021",
        )
    ]


@checks.register(redis_checks.TAG)
def check_ca_file(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if an authority is named, but no address uses TLS."""
    addresses = (settings.REDIS_URL, settings.CELERY_BROKER_URL, settings.CELERY_RESULT_BACKEND)
    if not settings.REDIS_CA_FILE or any(tls_options(address, "") for address in addresses):
        return []
    return [
        checks.Error(
            "REDIS_CA_FILE is set, but the connections to Redis are not encrypted.",
            hint="Begin REDIS_URL with rediss://, or remove REDIS_CA_FILE.",
            id="darkroom.E024",
        )
    ]
