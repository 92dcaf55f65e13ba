"""The local folder: files appear complete under their names, and survive a power cut."""

import errno
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from processing.storages.local import LocalStorage
from processing.storages.media import StorageUnavailable, call_storage
from tests.conftest import MakeFile, MakeImage
from tests.storage.conftest import keys_in

KEY = "originals/ab/abcdef"


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(location=tmp_path / "media")


@pytest.fixture
def root(storage: LocalStorage) -> Path:
    return Path(storage.location)


def test_folder_without_a_first_write_is_not_there(storage: LocalStorage, root: Path) -> None:
    assert not storage.is_there()
    storage.check()
    assert not storage.is_there()
    storage.save(KEY, ContentFile(b"pixels"))
    storage.delete(KEY)
    assert storage.is_there()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[str]:
    """Return a list that records the calls to the file system in order."""
    seen: list[str] = []
    sync, replace = os.fsync, Path.replace

    def watch_sync(descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        seen.append("sync the folder" if stat.S_ISDIR(mode) else "sync the file")
        sync(descriptor)

    def watch_replace(self: Path, target: Path) -> Path:
        seen.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watch_sync)
    monkeypatch.setattr(Path, "replace", watch_replace)
    return seen


def fail(*args: Any, **kwargs: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_local_storage_is_the_default_without_a_bucket() -> None:
    assert isinstance(default_storage, LocalStorage)


def test_file_is_synced_before_its_rename_and_the_folder_after_it(
    storage: LocalStorage, calls: list[str]
) -> None:
    storage.save(KEY, ContentFile(b"pixels"))
    assert calls == ["sync the file", "rename", "sync the folder"]


def test_received_file_is_synced_before_its_rename(
    storage: LocalStorage, calls: list[str], make_file: MakeFile
) -> None:
    storage.save(KEY, make_file(b"pixels"))
    assert calls == ["sync the file", "rename", "sync the folder"]


def test_readers_see_only_complete_files(
    storage: LocalStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.save(KEY, ContentFile(b"before"))
    seen: list[bytes] = []
    replace = Path.replace

    def look(self: Path, target: Path) -> Path:
        seen.extend(((root / KEY).read_bytes(), self.read_bytes()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look)
    storage.save(KEY, ContentFile(b"pixels"))
    assert seen == [b"before", b"pixels"]


def test_open_reader_keeps_the_old_content(storage: LocalStorage) -> None:
    storage.save(KEY, ContentFile(b"before"))
    with storage.open(KEY) as file:
        storage.save(KEY, ContentFile(b"pixels"))
        assert file.read() == b"before"


def test_received_file_is_linked_without_a_copy(
    storage: LocalStorage, root: Path, make_file: MakeFile
) -> None:
    file = make_file(b"pixels")
    storage.save(KEY, file)
    assert (root / KEY).stat().st_ino == os.fstat(file.fileno()).st_ino
    file.close()
    assert (root / KEY).read_bytes() == b"pixels"
    assert (root / KEY).stat().st_nlink == 1


def test_received_file_is_copied_across_file_systems(
    storage: LocalStorage, root: Path, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_file_system(*args: Any, **kwargs: Any) -> NoReturn:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_file_system)
    file = make_file(b"pixels" * 1_000_000)
    storage.save(KEY, file)
    assert (root / KEY).read_bytes() == b"pixels" * 1_000_000
    assert (root / KEY).stat().st_ino != os.fstat(file.fileno()).st_ino
    assert keys_in(storage) == {KEY}


@pytest.mark.parametrize("linked", [True, False])
def test_files_are_readable_by_a_web_server(
    linked: bool, storage: LocalStorage, root: Path, make_file: MakeFile
) -> None:
    storage.save(KEY, make_file(b"pixels") if linked else ContentFile(b"pixels"))
    assert stat.S_IMODE((root / KEY).stat().st_mode) == 0o644


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("call", ["chmod", "replace"])
def test_disk_failure_at_the_end_leaves_no_file(
    call: str, linked: bool, storage: LocalStorage, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_file(b"pixels") if linked else ContentFile(b"pixels")
    monkeypatch.setattr(Path, call, fail)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        call_storage(lambda: storage.save(KEY, content))
    assert keys_in(storage) == set()


def test_full_disk_leaves_no_file(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        call_storage(lambda: storage.save(KEY, ContentFile(b"pixels")))
    assert keys_in(storage) == set()


def test_path_traversal_is_refused(storage: LocalStorage) -> None:
    for name in ("../evil", "originals/../../evil", "/etc/evil"):
        with pytest.raises(Exception, match=r"path traversal|outside of the base"):
            storage.save(name, ContentFile(b"pixels"))


def test_check_creates_the_folder(storage: LocalStorage, root: Path) -> None:
    storage.check()
    assert root.is_dir()


def test_check_fails_if_the_path_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file")
    with pytest.raises(StorageUnavailable):
        call_storage(LocalStorage(location=tmp_path / "media").check)


def test_check_fails_if_the_folder_is_not_writable(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(StorageUnavailable, match="is not writable"):
        call_storage(storage.check)


def test_path_below_a_file_is_an_error_and_not_missing(storage: LocalStorage, make_image: MakeImage) -> None:
    storage.save(KEY, ContentFile(b"pixels"))
    with pytest.raises(StorageUnavailable):
        call_storage(lambda: storage.open(f"{KEY}/below").read())


def test_storage_error_keeps_its_cause() -> None:
    with pytest.raises(StorageUnavailable) as caught:
        call_storage(fail)
    assert isinstance(caught.value.__cause__, OSError)


def test_programming_error_is_not_a_storage_error() -> None:
    def mistake() -> NoReturn:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        call_storage(mistake)
