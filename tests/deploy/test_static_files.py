"""deploy.static_files: files are collected only if a source has changed."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from deploy import static_files


@pytest.fixture
def source(settings: Any, tmp_path: Path) -> Path:
    """Return the only source, and collect into a folder of the test."""
    path = tmp_path / "sources" / "site.css"
    path.parent.mkdir()
    path.write_text("a { color: red }")
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [path.parent]
    settings.STATIC_ROOT = tmp_path / "static"
    return path


def collected(settings: Any) -> Path:
    return Path(settings.STATIC_ROOT, "site.css")


def test_changed_file_is_collected_again(settings: Any, source: Path) -> None:
    static_files.collect()
    source.write_text("a { color: green }")
    # Django compares whole seconds.
    os.utime(source, (time.time() + 60,) * 2)
    static_files.collect()
    assert collected(settings).read_text() == "a { color: green }"


def test_unchanged_files_are_not_collected_again(settings: Any, source: Path) -> None:
    static_files.collect()
    collected(settings).write_text("as it was")
    static_files.collect()
    assert collected(settings).read_text() == "as it was"


def test_removed_files_are_collected_again(settings: Any, source: Path) -> None:
    static_files.collect()
    for path in Path(settings.STATIC_ROOT).iterdir():
        path.unlink()
    static_files.collect()
    assert collected(settings).exists()


def test_change_of_storage_backend_collects_all_files_again(settings: Any, source: Path) -> None:
    static_files.collect()
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    static_files.collect()
    assert len(list(Path(settings.STATIC_ROOT).glob("site.*.css"))) == 1


def test_interrupted_collection_is_repeated(
    settings: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(static_files, "call_command", fail)
        with pytest.raises(OSError, match="No space"):
            static_files.collect()
    static_files.collect()
    assert collected(settings).exists()
