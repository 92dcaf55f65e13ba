"""The storage of a project: the one it names, or a folder."""

from pathlib import Path
from typing import Any, cast

import pytest
from django.core import checks
from django.core.files.storage import storages

from processing.storages import media as choice
from processing.storages.local import LocalStorage
from processing.storages.media import media

DJANGOS = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
LOCAL = "processing.storages.local.LocalStorage"


def errors() -> dict[str | None, str]:
    return {message.id: message.msg for message in checks.run_checks()}


def test_site_of_this_repository_uses_its_default_storage(settings: Any) -> None:
    assert media.folder == str(settings.MEDIA_ROOT)


@pytest.mark.parametrize("name", ["STATIC_ROOT", "STATIC_URL"])
def test_it_is_djangos_own_object_after_any_override(settings: Any, name: str) -> None:
    assert media.folder
    setattr(settings, name, "/elsewhere/")
    assert cast("Any", media.save).__self__ is storages["default"]


def test_project_with_another_default_storage_gets_a_folder(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": DJANGOS}
    settings.MEDIA_ROOT = tmp_path
    assert media.folder == str(tmp_path)
    assert not isinstance(storages["default"], LocalStorage)


def test_folder_is_beside_the_code_without_media_root(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": DJANGOS}
    settings.MEDIA_ROOT, settings.BASE_DIR = "", tmp_path
    assert media.folder == str(tmp_path / "media")
    assert "darkroom.E032" not in errors()


def test_project_without_any_folder_is_an_error(settings: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": DJANGOS}
    settings.MEDIA_ROOT = ""
    del settings.BASE_DIR
    assert choice.folder() is None
    assert "MEDIA_ROOT is empty" in errors()["darkroom.E032"]


def test_storage_named_darkroom_is_used(settings: Any, tmp_path: Path) -> None:
    ours = {"BACKEND": LOCAL, "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "default": DJANGOS, "darkroom": ours}
    assert media.folder == str(tmp_path)


def test_storage_that_lacks_something_or_cannot_be_loaded_is_an_error(settings: Any) -> None:
    for backend, sentence in ((DJANGOS, "lacks what"), ({"BACKEND": "no.such.Storage"}, "cannot be loaded")):
        settings.STORAGES = {**settings.STORAGES, "darkroom": backend}
        assert sentence in errors()["darkroom.E020"]
