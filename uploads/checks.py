"""System checks: a missing front end, invalid settings, ignored scopes and unsafe production settings."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.contrib.staticfiles import finders
from django.core import checks
from django.utils.module_loading import import_string
from limits import parse_many
from rest_framework.settings import api_settings

from processing.conf import darkroom
from uploads.hooks import configured
from uploads.tokens.authentication import TokenAuthentication
from uploads.tokens.scopes import InScope

# The highest PRIVATE_LINK_MAX_AGE, in seconds.
LONGEST_LINK_AGE = 3650 * 24 * 3600


@checks.register(checks.Tags.staticfiles)
def check_front_end(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if the third-party scripts of the front end are not built."""
    if finders.find("vendor/htmx.js"):
        return []
    return [
        checks.Warning(
            "The front end is not built, so the pages have no scripts.",
            hint="Run deploy/npm.sh frontend, or use make, which runs it automatically.",
            id="darkroom.W002",
        )
    ]


@checks.register
def check_rates(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for every rate limit that cannot be parsed."""
    found = []
    now = darkroom()
    for name, text in (
        ("UPLOADS_PER_PERSON", now.uploads_per_person),
        ("UPLOADS_PER_ADDRESS", now.uploads_per_address),
        ("REPROCESSINGS_PER_PERSON", now.reprocessings_per_person),
        ("FOCUSES_PER_PERSON", now.focuses_per_person),
        ("CHANGES_PER_PERSON", now.changes_per_person),
        ("WEBHOOK_TESTS_PER_PERSON", now.webhook_tests_per_person),
    ):
        try:
            parse_many("1/second" if text in {"", "0"} else text)
        except (ValueError, TypeError):
            found.append(
                checks.Error(
                    f"DARKROOM[{name!r}] is not a valid rate limit: {text!r}.",
                    hint="Write it as 5000/hour, or as 100/minute;5000/hour for two limits.",
                    id="darkroom.E006",
                )
            )
    return found


@checks.register
def check_site_url(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if links in mail could not be opened."""
    url = darkroom().site_url
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment):
            return []
    except (ValueError, TypeError, AttributeError):
        pass
    return [
        checks.Error(
            f"SITE_URL is {url!r}.",
            hint="Set it to the public address of the site, such as https://photos.example.",
            id="darkroom.E025",
        )
    ]


@checks.register
def check_notice_address(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if the function that finds the address for notices does not exist."""
    path = darkroom().notice_address
    try:
        if not path or callable(import_string(path)):
            return []
    except ImportError:
        pass
    return [
        checks.Error(
            f"DARKROOM['NOTICE_ADDRESS'] names no function: {path!r}.",
            hint="Write the dotted path of a function that takes a user and returns an address.",
            id="darkroom.E010",
        )
    ]


@checks.register
def check_link_ages(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if private links could not be made, or could last for ever."""
    now = darkroom()
    try:
        valid = 1 <= now.private_link_age <= now.private_link_max_age <= LONGEST_LINK_AGE
    except TypeError:
        return []  # darkroom.E007 reports values of the wrong type.
    if valid:
        return []
    return [
        checks.Error(
            f"DARKROOM['PRIVATE_LINK_AGE'] is {now.private_link_age!r} and"
            f" DARKROOM['PRIVATE_LINK_MAX_AGE'] is {now.private_link_max_age!r}.",
            hint=f"Set both from 1 to {LONGEST_LINK_AGE} seconds (ten years), the first at most the second.",
            id="darkroom.E008",
        )
    ]


@checks.register
def check_tokens(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if the API would ignore the scopes of tokens."""
    classes: list[object] = [
        *api_settings.DEFAULT_AUTHENTICATION_CLASSES,
        *api_settings.DEFAULT_PERMISSION_CLASSES,
    ]
    if TokenAuthentication in classes and InScope in classes:
        return []
    return [
        checks.Error(
            "REST_FRAMEWORK does not sign in with Darkroom's tokens, or ignores their scopes.",
            hint="Add uploads.tokens.authentication.TokenAuthentication to DEFAULT_AUTHENTICATION_CLASSES, "
            "and uploads.tokens.scopes.InScope to DEFAULT_PERMISSION_CLASSES.",
            id="darkroom.E011",
        )
    ]


@checks.register
def check_hooks(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each setting of the hooks that cannot work: then no original would be rendered."""
    return [checks.Error(sentence, id="darkroom.E070") for sentence in configured.problems()]


@checks.register(checks.Tags.security, deploy=True)
def check_private_addresses(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if webhooks may reach the private network."""
    if not darkroom().webhook_private_addresses:
        return []
    return [
        checks.Error(
            "WEBHOOK_PRIVATE_ADDRESSES is on, so every user can send requests into this network.",
            hint="Turn it off, except in tests or on an intranet that trusts all its users.",
            id="darkroom.E005",
        )
    ]
