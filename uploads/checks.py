"""System checks: what is missing, and what a production site should not be set to."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core import checks

from uploads.rates import rates


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
            rates(settings.DARKROOM[name])
        except ValueError:
            found.append(
                checks.Error(
                    f"DARKROOM[{name!r}] makes no sense: {settings.DARKROOM[name]!r}.",
                    hint="Write it like 5000/hour, or 100/minute;5000/hour for both.",
                    id="darkroom.E004",
                )
            )
    return found


@checks.register(checks.Tags.security, deploy=True)
def check_private_addresses(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning where webhooks may reach the own network."""
    if not settings.DARKROOM["WEBHOOK_PRIVATE_ADDRESSES"]:
        return []
    return [
        checks.Warning(
            "WEBHOOK_PRIVATE_ADDRESSES is on: whoever has an account can send requests into this network.",
            hint="Leave it off, unless everybody who has an account may do that.",
            id="darkroom.W001",
        )
    ]
