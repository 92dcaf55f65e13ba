"""Fixtures for the tests of this site."""

from collections.abc import Iterator
from importlib import reload
from pathlib import Path
from typing import Any

import pytest
from celery import Task
from django.urls import clear_url_caches

from myproject import urls
from myproject.settings import people


@pytest.fixture
def own_surroundings(settings: Any, tmp_path: Path) -> None:
    """Keep attempts separate from those of other tests."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the account mail that is passed to a worker; drop other messages."""
    messages: list[dict[str, Any]] = []

    def publish(_task: Task[Any, Any], _args: Any, kwargs: dict[str, Any], **_options: object) -> None:
        if "subject" in kwargs:
            messages.append(kwargs)

    monkeypatch.setattr(Task, "apply_async", publish)
    return messages


@pytest.fixture
def mail_server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Configure the accounts of this site as with a mail server."""
    with monkeypatch.context() as environment:
        environment.setenv("EMAIL_URL", "smtp://127.0.0.1:1")
        reload(people)
    for name in dir(people):
        if name.startswith("ACCOUNT_") or name == "EMAIL_URL":
            setattr(settings, name, getattr(people, name))
    yield
    reload(people)


@pytest.fixture
def demo(settings: Any) -> Iterator[None]:
    """Turn the demo on for one test, as `make run` does for a site."""
    settings.AUTHENTICATION_BACKENDS = [
        *settings.AUTHENTICATION_BACKENDS, "myproject.accounts.sign_in_link.OneTimeBackend",
    ]  # fmt: skip
    settings.DEMO = True
    _read_urls_again()
    yield
    settings.DEMO = False
    _read_urls_again()


def _read_urls_again() -> None:
    reload(urls)
    clear_url_caches()
