"""System checks: what is missing, and what a production site should not be set to."""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core import checks
from limits import parse_many

# What stands in examples, and in the settings that Django's `startproject` writes.
_PLACEHOLDER = re.compile(
    r"change.?me|change.?this|django-insecure|your.?secret|secret.?key|placeholder|[<>…]", re.IGNORECASE
)
# Fewer say too little to be secret, however many of them there are.
_CHARACTERS, _DISTINCT_CHARACTERS = 32, 8


@checks.register
def check_secret_key(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for a secret key that others know or guess, unless a developer is at work."""
    key = settings.SECRET_KEY
    guessable = len(key) < _CHARACTERS or len(set(key)) < _DISTINCT_CHARACTERS or _PLACEHOLDER.search(key)
    if settings.DEBUG or not guessable:
        return []
    return [
        checks.Error(
            "SECRET_KEY is a default, or too short to be secret: whoever guesses it signs in as anybody.",
            hint="Set 64 random characters: "
            'python -c "import secrets; print(secrets.token_urlsafe(64))"; or leave it unset on one machine.',
            id="darkroom.E004",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_shared_secret_key(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning where each machine has made its own secret key."""
    if not settings.SECRET_KEY_IS_LOCAL:
        return []
    return [
        checks.Warning(
            "SECRET_KEY is not set: this machine has made its own, and others know nothing of it.",
            hint="Set the same one on every machine of the site, and back it up.",
            id="darkroom.W003",
        )
    ]


@checks.register(checks.Tags.staticfiles)
def check_front_end(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning where the browser's part of other people's code is not built."""
    if finders.find("vendor/htmx.js"):
        return []
    return [
        checks.Warning(
            "The front end is not built: the pages lack their scripts.",
            hint="Run deploy/npm.sh frontend; make does it by itself.",
            id="darkroom.W002",
        )
    ]


@checks.register
def check_rates(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for every rate in the settings that makes no sense."""
    found = []
    for name in ("UPLOADS_PER_PERSON", "UPLOADS_PER_ADDRESS"):
        try:
            parse_many(settings.DARKROOM[name] or "1/second")
        except ValueError:
            found.append(
                checks.Error(
                    f"DARKROOM[{name!r}] makes no sense: {settings.DARKROOM[name]!r}.",
                    hint="Write it like 5000/hour, or 100/minute;5000/hour for both.",
                    id="darkroom.E006",
                )
            )
    return found


@checks.register(checks.Tags.security, deploy=True)
def check_private_addresses(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error where webhooks may reach the own network."""
    if not settings.DARKROOM["WEBHOOK_PRIVATE_ADDRESSES"]:
        return []
    return [
        checks.Error(
            "WEBHOOK_PRIVATE_ADDRESSES is on: whoever has an account can send requests into this network.",
            hint="Leave it off: it is for tests, and for an intranet whose people may all do that.",
            id="darkroom.E005",
        )
    ]
