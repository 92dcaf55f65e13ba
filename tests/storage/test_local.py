"""The local folder: files appear complete under their names, and survive a power cut."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from processing.storages.local import LocalStorage
from processing.storages.media import StorageUnavailable, call_storage
from tests.conftest import MakeFile, MakeImage
from tests.processing.processes import ROOT
from tests.storage.conftest import keys_in

KEY = "originals/ab/abcdef"
RENDITION = "renditions/ab/abcdef/thumb-0123456789abcdef.webp"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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
@pytest.mark.parametrize("key", [KEY, RENDITION])
def test_only_the_owner_may_read_files(
    linked: bool, key: str, storage: LocalStorage, root: Path, make_file: MakeFile
) -> None:
    storage.save(key, make_file(b"pixels") if linked else ContentFile(b"pixels"))
    assert mode_of(root / key) == 0o600


@pytest.mark.parametrize("linked", [True, False])
def test_group_of_a_proxy_may_read_renditions(
    linked: bool, tmp_path: Path, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: set[tuple[str, int, int]] = set()
    monkeypatch.setattr(os, "chown", lambda path, user, group: given.add((Path(path).name, user, group)))
    storage = LocalStorage(location=tmp_path, readers="54321")
    for key in (KEY, RENDITION):
        storage.save(key, make_file(b"pixels") if linked else ContentFile(b"pixels"))
    assert {(user, group) for _, user, group in given} == {(-1, 54321)}
    assert {name for name, _, _ in given if not name.endswith(".part")} == {"renditions", "ab", "abcdef"}
    rendition = tmp_path / RENDITION
    assert [mode_of(path) for path in (rendition, *rendition.parents[:3])] == [0o640, 0o750, 0o750, 0o750]
    assert mode_of(tmp_path / KEY) == 0o600


def test_group_that_cannot_be_set_leaves_files_to_their_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    LocalStorage(location=tmp_path, readers="54321").save(RENDITION, ContentFile(b"pixels"))
    assert mode_of(tmp_path / RENDITION) == 0o600


def test_unfinished_file_is_private_from_its_first_byte(
    storage: LocalStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    sync = os.fsync

    def look(descriptor: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    storage.save(KEY, ContentFile(b"pixels"))
    assert seen[0] == 0o600


def test_names_that_begin_with_a_dot_are_no_files_of_ours(storage: LocalStorage, root: Path) -> None:
    """A file server adds removed files that are still open, and snapshots of every folder."""
    storage.save(KEY, ContentFile(b"pixels"))
    for name in (".nfs0000000000c0ffee00000001", ".snapshot/hourly/abcdef", ".gitkeep"):
        path = root / "originals" / "ab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")
    assert [key for key, _ in storage.walk("originals")] == [KEY]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_folder_that_cannot_be_synced_is_no_error(
    number: int, storage: LocalStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    storage.save(KEY, ContentFile(b"pixels"))
    assert (root / KEY).read_bytes() == b"pixels"


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


@pytest.mark.slow
def test_storage_needs_no_links_and_no_locks(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.storage.refusing", str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["refused"] == ["link", "symlink", "flock", "lockf"]
    assert found["contents"] == [
        "originals/ab/received received 8",
        "originals/ab/replaced second 6",
        "renditions/cd/ef/thumb.webp pixels 6",
    ]
