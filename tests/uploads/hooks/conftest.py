"""Fixtures for the tests of hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.uploads.hooks import scripted
from uploads.hooks import Candidate, Refused

SCRIPTED = "tests.uploads.hooks.scripted"
Configure = Callable[..., None]


@pytest.fixture
def configure(settings: Any) -> Configure:
    """Return a function that configures hooks: names of `scripted`, or entries of the list."""

    def set_hooks(*entries: Any, **options: Any) -> None:
        named = [
            f"{SCRIPTED}.{entry}" if isinstance(entry, str) and "." not in entry else entry
            for entry in entries
        ]
        settings.DARKROOM = {**settings.DARKROOM, "HOOKS": named, **options}

    return set_hooks


@pytest.fixture
def hook(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Configure a hook that passes everything; return the SHA-256 of what it has seen."""
    seen: list[str] = []
    monkeypatch.setattr(scripted, "seen", seen)
    monkeypatch.setattr(scripted, "answer", bool)
    configure("scripted")
    return seen


def refuse(_candidate: Candidate) -> None:
    raise Refused("It shows a cat. Upload a dog.")
