"""The fixtures for pytest, and files in memory."""

import pytest
from django.core.files.storage import default_storage, storages

from processing.storages.local import LocalStorage
from processing.storages.media import media
from processing.storages.memory import MemoryStorage
from tests.conftest import Send, stored_keys
from uploads.models import Upload
from uploads.testing import media_in_memory

pytest_plugins = ["uploads.testing.fixtures"]

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
    assert default_storage.exists(upload.original.renditions.all()[0].key)


def test_storage_is_empty_at_first_and_back_afterwards(send: Send) -> None:
    for _ in range(2):
        with media_in_memory():
            assert list(media.walk("originals")) == []
            assert isinstance(storages["default"], MemoryStorage)
            send()
            assert len(list(media.walk("originals"))) == 1
            Upload.objects.all().delete()
    assert isinstance(storages["default"], LocalStorage)
    assert stored_keys() == set()
