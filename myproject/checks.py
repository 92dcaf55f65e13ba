"""System checks of this site's secret keys, its demo, and Celery's addresses."""

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.urls import URLPattern, URLResolver, get_resolver

from processing.storages import access
from uploads.redis import checks as redis_checks
from uploads.redis.address import is_redis, tls_options

# Placeholders from examples, and from the settings that Django's `startproject` writes.
_PLACEHOLDER = re.compile(
    r"change.?me|change.?this|django-insecure|your.?secret|secret.?key|placeholder|[<>…]", re.IGNORECASE
)
_RABBITMQ = ("amqp://", "amqps://", "pyamqp://")
_SUB_PATH = re.compile(r"(/[\w.~-]+)+", re.ASCII)
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


@checks.register
def check_proxy_group(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if `PROXY_GROUP` does not exist, or if this process may not give files to it."""
    name = settings.PROXY_GROUP
    if not name:
        return []
    group = access.find_group(name)
    if group is None:
        problem = "is not the name of a group on this machine."
    elif os.geteuid() and group not in {os.getegid(), *os.getgroups()}:
        problem = "is a group that the user of this process does not belong to."
    else:
        return []
    return [
        checks.Error(
            f"PROXY_GROUP={name} {problem}",
            hint="Set it to the group of nginx, such as www-data, and add Darkroom's user to the group: "
            "usermod --append --groups www-data darkroom. If no proxy reads files, remove it.",
            id="darkroom.E031",
        )
    ]


@checks.register
def check_sub_path(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if the path of `SITE_URL` is not plain, or could be mistaken for a path of the site."""
    path = settings.SUB_PATH
    if not path or (_SUB_PATH.fullmatch(path) and path.split("/")[1] not in _first_names()):
        return []
    return [
        checks.Error(
            f"SITE_URL ends with {path!r}, below which the site cannot be.",
            hint="Use letters, digits, hyphens and dots, as in https://example.org/photos. The first part "
            f"must be none of {', '.join(sorted(_first_names()))}, with which paths of the site begin.",
            id="darkroom.E030",
        )
    ]


def _first_names(patterns: Iterable[URLPattern | URLResolver] | None = None) -> set[str]:
    """Return the first parts of the site's paths."""
    found = {"static"}
    for one in get_resolver().url_patterns if patterns is None else patterns:
        name = str(one.pattern).split("/")[0]
        if name:
            found.add(name)
        elif isinstance(one, URLResolver):
            found |= _first_names(one.url_patterns)
    return found


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
