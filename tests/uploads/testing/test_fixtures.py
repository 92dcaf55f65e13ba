"""The fixtures for pytest, and files in memory."""

import pytest
from django.core.files.storage import storages

from processing.storages.media import ALIAS, media
from processing.storages.memory import MemoryStorage
from tests.conftest import Send, stored_keys
from uploads import testing
from uploads.models import Upload
from uploads.testing import fixtures

# A project names the module as a plugin, which pytest must import before anything else does.
rendered_at_once, fake_rendering = fixtures.rendered_at_once, fixtures.fake_rendering
media_in_memory = fixtures.media_in_memory

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("rendered_at_once")
def test_uploads_are_rendered_during_the_test(send: Send) -> None:
    send()
    assert Upload.objects.get().status == "ready"
    assert Upload.objects.get().original.color != "#808080"


@pytest.mark.usefixtures("fake_rendering")
def test_uploads_are_faked_during_the_test(send: Send) -> None:
    send()
    assert (Upload.objects.get().status, Upload.objects.get().original.color) == ("ready", "#808080")


@pytest.mark.usefixtures("media_in_memory", "fake_rendering")
def test_files_are_in_memory_during_the_test(send: Send) -> None:
    upload = send()
    assert stored_keys() == set()
    assert storages[ALIAS].exists(upload.original.renditions.all()[0].key)


def test_storage_is_empty_at_first_and_back_afterwards(send: Send) -> None:
    for _ in range(2):
        with testing.media_in_memory():
            assert list(media.walk("originals")) == []
            assert isinstance(storages[ALIAS], MemoryStorage)
            send()
            assert len(list(media.walk("originals"))) == 1
            Upload.objects.all().delete()
    assert stored_keys() == set()
