"""System checks: a missing front end, invalid settings, ignored scopes and unsafe production settings."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.utils.module_loading import import_string
from limits import parse_many

from processing.conf import darkroom
from uploads import owners
from uploads.hooks import configured
from uploads.owners import Owners

# The highest PRIVATE_LINK_MAX_AGE, in seconds.
LONGEST_LINK_AGE = 3650 * 24 * 3600


@checks.register(checks.Tags.staticfiles)
def check_front_end(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if the third-party scripts of the front end are not built."""
    if finders.find("uploads/vendor/htmx.js"):
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
def check_report(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if the report to staff has an unknown period or hour."""
    now, known = darkroom(), ("off", "daily", "weekly")
    wrong = []
    if now.report not in known:
        wrong.append(f"DARKROOM['REPORT'] is {now.report!r}; it must be 'daily', 'weekly' or 'off'.")
    if now.report_hour not in range(24):
        wrong.append(f"DARKROOM['REPORT_HOUR'] is {now.report_hour!r}; it must be 0 to 23.")
    return [checks.Error(sentence, id="darkroom.E045") for sentence in wrong]


@checks.register
def check_owners(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if the model or the class of owners is missing, or the two do not fit together."""
    try:
        owners.owner_model()
    except (LookupError, ValueError):
        return [
            checks.Error(
                f"UPLOADS_OWNER_MODEL names no model: {owners.owner_model_name()!r}.",
                hint="Write it as app.Model, such as tenants.Tenant, and add its app to INSTALLED_APPS.",
                id="darkroom.E040",
            )
        ]
    try:
        rules = owners.owners()
    except (ImportError, TypeError):
        rules = None
    if not isinstance(rules, Owners):
        return [
            checks.Error(
                f"UPLOADS_OWNERS names no subclass of Owners: {owners.rules_path()!r}.",
                hint="Write the dotted path of a class that inherits from uploads.owners.Owners.",
                id="darkroom.E041",
            )
        ]
    return list(_misfits(rules))


def _misfits(rules: Owners) -> Iterator[checks.CheckMessage]:
    """Yield an error for each rule about owners that cannot work with their model."""
    model, path = owners.owner_model(), f"{type(rules).__module__}.{type(rules).__qualname__}"
    try:
        if rules.active_field:
            model._meta.get_field(rules.active_field)
    except FieldDoesNotExist:
        yield checks.Error(
            f"{path}.active_field names no field of {model._meta.label}: {rules.active_field!r}.",
            hint='Name the Boolean field that is false for a suspended owner, or set active_field = "".',
            id="darkroom.E042",
        )
    if rules.admits_visitors and type(rules).begin is Owners.begin:
        yield checks.Error(
            f"{path} admits visitors, but does not define begin.",
            hint="Define begin: it makes the owner of a visitor who sends a first image.",
            id="darkroom.E043",
        )
    if model is not get_user_model() and type(rules).of is Owners.of:
        yield checks.Error(
            f"Owners are {model._meta.label}, but {path} takes the user of a request for its owner.",
            hint=f"Define of: it returns the {model._meta.object_name} for whom a request acts, or None.",
            id="darkroom.E044",
        )


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
