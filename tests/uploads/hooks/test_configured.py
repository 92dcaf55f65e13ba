"""The list of hooks: a mistake in it stops the start, with a sentence that says what to do."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from tests.uploads.hooks.conftest import SCRIPTED, Configure
from uploads.hooks import configured


def problems() -> list[str]:
    return [message.msg for message in run_checks() if message.id == "darkroom.E070"]


@pytest.mark.parametrize(
    "entry",
    [
        "passing",
        {"NAME": f"{SCRIPTED}.passing"},
        {"NAME": f"{SCRIPTED}.Limited", "OPTIONS": {"limit": 1}},
        "uploads.hooks.clamav.ClamAV",
    ],
)
def test_valid_entry_is_loaded(entry: Any, configure: Configure) -> None:
    configure(entry)
    assert problems() == []
    assert len(configured.hooks()) == 1


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("no.such.module", "names 'no.such.module', which cannot be used"),
        (f"{SCRIPTED}.missing", "cannot be used"),
        (f"{SCRIPTED}.NotCallable", "Give the class a method `__call__`"),
        (f"{SCRIPTED}.Limited", "limit"),
        ({"NAME": f"{SCRIPTED}.Limited", "OPTIONS": {"limit": 0}}, "limit must be 1 or more"),
        ({"NAME": f"{SCRIPTED}.passing", "OPTIONS": {"of": object()}}, "must be texts, numbers"),
        ({"PATH": f"{SCRIPTED}.passing"}, "Write a dotted path"),
        ({"NAME": f"{SCRIPTED}.passing", "OPTION": {}}, "Write a dotted path"),
        ({"NAME": f"{SCRIPTED}.passing", "OPTIONS": ["limit"]}, "Write a dotted path"),
        (7, "Write a dotted path"),
    ],
)
def test_invalid_entry_is_named(entry: Any, told: str, configure: Configure) -> None:
    configure(entry)
    (sentence,) = problems()
    assert told in sentence
    with pytest.raises(ImproperlyConfigured):
        configured.hooks()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"HOOKS_OUT_OF_TIME": "maybe"}, "it must be 'refuse' or 'pass'"),
        ({"HOOK_TIMEOUT": 0}, "must be above 0"),
        ({"HOOK_TIMEOUT": 60, "STEP_TIME_LIMIT": 120}, "end before STEP_TIME_LIMIT (120 seconds)"),
    ],
)
def test_invalid_option_is_named(options: dict[str, Any], told: str, configure: Configure) -> None:
    configure("passing", "hanging", **options)
    (sentence,) = problems()
    assert told in sentence


def test_digest_depends_on_names_options_and_order(configure: Configure) -> None:
    limited = f"{SCRIPTED}.Limited"
    lists: list[list[Any]] = [
        [],
        ["passing"],
        ["passing", "away"],
        ["away", "passing"],
        [{"NAME": limited, "OPTIONS": {"limit": 1}}],
        [{"NAME": limited, "OPTIONS": {"limit": 2}}],
    ]
    digests = set()
    for entries in lists:
        configure(*entries)
        digests.add(configured.digest())
    assert len(digests) == len(lists)


def test_both_spellings_of_an_entry_have_one_digest(configure: Configure) -> None:
    configure("passing")
    digest = configured.digest()
    configure({"NAME": f"{SCRIPTED}.passing", "OPTIONS": {}})
    assert configured.digest() == digest
