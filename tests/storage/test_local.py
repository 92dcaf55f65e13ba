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


def test_a_folder_that_was_never_written_to_is_not_there(storage: LocalStorage, root: Path) -> None:
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


def test_this_is_where_media_lies_without_a_bucket() -> None:
    assert isinstance(default_storage, LocalStorage)


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_answer(
    storage: LocalStorage, calls: list[str]
) -> None:
    storage.save(KEY, ContentFile(b"pixels"))
    assert calls == ["sync the file", "rename", "sync the folder"]


def test_a_received_file_is_on_the_disk_before_the_name_too(
    storage: LocalStorage, calls: list[str], make_file: MakeFile
) -> None:
    storage.save(KEY, make_file(b"pixels"))
    assert calls == ["sync the file", "rename", "sync the folder"]


def test_no_reader_sees_a_file_before_it_is_whole(
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


def test_an_open_reader_keeps_what_it_has(storage: LocalStorage) -> None:
    storage.save(KEY, ContentFile(b"before"))
    with storage.open(KEY) as file:
        storage.save(KEY, ContentFile(b"pixels"))
        assert file.read() == b"before"


def test_a_received_file_is_not_copied(storage: LocalStorage, root: Path, make_file: MakeFile) -> None:
    file = make_file(b"pixels")
    storage.save(KEY, file)
    assert (root / KEY).stat().st_ino == os.fstat(file.fileno()).st_ino
    file.close()
    assert (root / KEY).read_bytes() == b"pixels"
    assert (root / KEY).stat().st_nlink == 1


def test_a_received_file_is_copied_where_it_cannot_be_linked(
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
def test_files_can_be_read_by_a_web_server(
    linked: bool, storage: LocalStorage, root: Path, make_file: MakeFile
) -> None:
    storage.save(KEY, make_file(b"pixels") if linked else ContentFile(b"pixels"))
    assert stat.S_IMODE((root / KEY).stat().st_mode) == 0o644


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("call", ["chmod", "replace"])
def test_a_disk_that_fails_at_the_end_leaves_nothing(
    call: str, linked: bool, storage: LocalStorage, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_file(b"pixels") if linked else ContentFile(b"pixels")
    monkeypatch.setattr(Path, call, fail)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        call_storage(lambda: storage.save(KEY, content))
    assert keys_in(storage) == set()


def test_a_full_disk_leaves_nothing(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        call_storage(lambda: storage.save(KEY, ContentFile(b"pixels")))
    assert keys_in(storage) == set()


def test_no_name_leads_out_of_the_folder(storage: LocalStorage) -> None:
    for name in ("../evil", "originals/../../evil", "/etc/evil"):
        with pytest.raises(Exception, match=r"path traversal|outside of the base"):
            storage.save(name, ContentFile(b"pixels"))


def test_the_check_makes_the_folder(storage: LocalStorage, root: Path) -> None:
    storage.check()
    assert root.is_dir()


def test_the_check_finds_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file")
    with pytest.raises(StorageUnavailable):
        call_storage(LocalStorage(location=tmp_path / "media").check)


def test_the_check_finds_a_folder_that_cannot_be_written_to(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(StorageUnavailable, match="is not writable"):
        call_storage(storage.check)


def test_a_file_that_is_no_file_of_ours_is_not_missing(storage: LocalStorage, make_image: MakeImage) -> None:
    storage.save(KEY, ContentFile(b"pixels"))
    with pytest.raises(StorageUnavailable):
        call_storage(lambda: storage.open(f"{KEY}/below").read())


def test_an_error_keeps_its_cause() -> None:
    with pytest.raises(StorageUnavailable) as caught:
        call_storage(fail)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_mistake_of_ours_is_not_the_storages() -> None:
    def mistake() -> NoReturn:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        call_storage(mistake)
