"""Fixtures for the tests of other owners. `tests/uploads/test_owners.py` starts a process for each kind."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.conftest import MakeImage

SendTo = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_listener() -> Iterator[None]:
    """Wait after each test until the listener of its event streams has ended."""
    yield
    for thread in threading.enumerate():
        if thread.name == "bells":
            thread.join(20)


@pytest.fixture
def send_to(make_image: MakeImage) -> SendTo:
    """Return a function that sends a picture, by default to the API, and returns the answer."""

    def send_to(client: Client, path: str = "/api/uploads/", *, seed: int = 0, **fields: Any) -> Any:
        file = SimpleUploadedFile("photo.jpg", make_image(seed=seed, width=60, height=40), "image/jpeg")
        headers = fields.pop("headers", {})
        return client.post(path, {"file": file, **fields}, headers=headers)

    return send_to
