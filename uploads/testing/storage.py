"""Keep the files of a test in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.test import override_settings

from processing.storages import media


@contextmanager
def media_in_memory() -> Iterator[None]:
    """Keep originals and renditions in memory, empty at first. Other processes do not see them."""
    memory = {"BACKEND": "processing.storages.memory.MemoryStorage"}
    with override_settings(STORAGES={**settings.STORAGES, media.ALIAS: memory}):
        yield
