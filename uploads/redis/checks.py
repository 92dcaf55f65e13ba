"""System checks of the settings of Redis. They ask no server."""

import re
import ssl
from collections.abc import Sequence
from typing import Any

from django.core import checks

from processing.conf import darkroom
from uploads.redis.address import InvalidAddress, parse

TAG = "redis"
# kombu subscribes to patterns, in which other characters would have a meaning.
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{0,64}")


@checks.register(TAG)
def check_address(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for an address that not every client of Redis could use."""
    return errors_of("REDIS_URL", darkroom().redis_url)


@checks.register(TAG)
def check_ca_file(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if the file of certificates cannot be read."""
    path = darkroom().redis_ca_file
    try:
        if path:
            ssl.create_default_context(cafile=path)
    except (OSError, TypeError) as error:
        return [
            checks.Error(
                f"REDIS_CA_FILE is {path!r}, which cannot be read as certificates: {error}.",
                hint="Name a file with the certificate of your authority in PEM form (BEGIN CERTIFICATE).",
                id="darkroom.E022",
            )
        ]
    return []


@checks.register(TAG)
def check_key_prefix(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for a prefix that not every client of Redis could use."""
    prefix: Any = darkroom().redis_key_prefix
    if isinstance(prefix, str) and _PREFIX.fullmatch(prefix):
        return []
    return [
        checks.Error(
            f"REDIS_KEY_PREFIX is {prefix!r}.",
            hint="Use at most 64 letters, digits and the characters _ . : - such as photos: with a colon.",
            id="darkroom.E023",
        )
    ]


def errors_of(name: str, address: str) -> list[checks.CheckMessage]:
    """Return an error if the value of this setting is no address of Redis; it may contain a password."""
    try:
        parse(address)
    except InvalidAddress as error:
        return [checks.Error(f"{name} {error}", id="darkroom.E021")]
    except (AttributeError, TypeError):
        return []  # darkroom.E007 reports values of the wrong type.
    return []
