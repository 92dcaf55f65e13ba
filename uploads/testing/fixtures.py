"""Fixtures for pytest: add `pytest_plugins = ["uploads.testing.fixtures"]` to your topmost `conftest.py`.

They need pytest-django, and each is in effect during its test.
"""

from collections.abc import Iterator

import pytest

from uploads.testing import rendering, storage


@pytest.fixture
def rendered_at_once(db: None) -> Iterator[None]:
    """Process each upload in this process as soon as it is committed."""
    with rendering.rendered_at_once():
        yield


@pytest.fixture
def fake_rendering(db: None) -> Iterator[None]:
    """Process each upload at once, without rendering: its files are tiny grey images."""
    with rendering.fake_rendering():
        yield


@pytest.fixture
def media_in_memory() -> Iterator[None]:
    """Keep originals and renditions in memory."""
    with storage.media_in_memory():
        yield
