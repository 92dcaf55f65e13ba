"""The configured hooks: those that `HOOKS` names, loaded once in each process."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from inspect import isclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

from processing.conf import darkroom
from uploads.hooks.candidate import Candidate

# The outcomes for an original that the hooks could not check in time.
OUT_OF_TIME = ("refuse", "pass")


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook with its options; `name` is the dotted path of its function or class."""

    name: str
    check: Callable[[Candidate], object]


@cache
def hooks() -> tuple[Hook, ...]:
    """Return the configured hooks in their order.

    Raises `ImproperlyConfigured` with a sentence that says what to do.
    """
    return tuple(_load(*_parsed(entry)) for entry in darkroom().hooks)


@cache
def digest() -> str:
    """Return a digest of the configured list, by which a verdict of another list is known."""
    parsed = [_parsed(entry) for entry in darkroom().hooks]
    return hashlib.sha256(json.dumps(parsed, sort_keys=True).encode()).hexdigest()


def problems() -> list[str]:
    """Return a sentence for each setting of the hooks that cannot work."""
    now, found = darkroom(), []
    try:
        hooks()
        digest()
    except ImproperlyConfigured as error:
        found.append(str(error))
    if now.hooks_out_of_time not in OUT_OF_TIME:
        found.append(
            f"DARKROOM['HOOKS_OUT_OF_TIME'] is {now.hooks_out_of_time!r}; it must be 'refuse' or 'pass'."
        )
    try:
        has_time = not now.hooks or 0 < now.hook_timeout * len(now.hooks) < now.step_time_limit
    except TypeError:
        return found  # darkroom.E007 reports values of the wrong type.
    if not has_time:
        found.append(
            f"DARKROOM['HOOK_TIMEOUT'] is {now.hook_timeout!r}; it must be above 0, and all hooks together"
            f" must end before STEP_TIME_LIMIT ({now.step_time_limit} seconds)."
        )
    return found


def _parsed(entry: Any) -> tuple[str, dict[str, Any]]:
    """Return the dotted path and the options of one entry of the list."""
    fields: Any = {"NAME": entry} if isinstance(entry, str) else entry
    if not _is_entry(fields):
        raise ImproperlyConfigured(
            f"DARKROOM['HOOKS'] has {entry!r}. Write a dotted path, or"
            " {'NAME': a dotted path, 'OPTIONS': {…}}."
        )
    name, options = fields["NAME"], dict(fields.get("OPTIONS", {}))
    try:
        json.dumps(options)
    except TypeError as error:
        raise ImproperlyConfigured(
            f"DARKROOM['HOOKS']: the options of {name!r} must be texts, numbers, lists and mappings: {error}."
        ) from error
    return name, options


def _is_entry(fields: object) -> bool:
    return (
        isinstance(fields, Mapping)
        and {"NAME"} <= set(fields) <= {"NAME", "OPTIONS"}
        and isinstance(fields["NAME"], str)
        and isinstance(fields.get("OPTIONS", {}), Mapping)
    )


def _load(name: str, options: dict[str, Any]) -> Hook:
    try:
        found = import_string(name)
        # A class is made once, with the options. A function gets them with each call.
        check = found(**options) if isclass(found) else partial(found, **options)
    except (ImportError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"DARKROOM['HOOKS'] names {name!r}, which cannot be used: {error}"
        ) from error
    if not callable(check):
        raise ImproperlyConfigured(
            f"DARKROOM['HOOKS'] names {name!r}, whose objects cannot be called. Give the class a method"
            " `__call__` that takes a candidate."
        )
    return Hook(name, check)


@receiver(setting_changed)
def forget(*, setting: str, **kwargs: Any) -> None:
    """Load the hooks again after a test has overridden the settings."""
    if setting == "DARKROOM":
        hooks.cache_clear()
        digest.cache_clear()
