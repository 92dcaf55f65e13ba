"""The contract that every storage has to fulfil."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, cast

import pytest
from django.core.files.base import ContentFile, File

from processing.storages.media import FileMissing, StorageUnavailable, call_storage
from tests.storage.conftest import AnyStorage, keys_in, read

pytestmark = pytest.mark.slow

KEY = "renditions/ab/abcdef/thumb-0123456789abcdef.webp"


class Source(io.RawIOBase):
    """A large file that is generated while it is read, and that may fail at a position."""

    def __init__(self, size: int, *, breaks_at: int | None = None) -> None:
        self.length, self.position, self.breaks_at = size, 0, breaks_at
        self.largest_read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.length)[whence]
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: Any) -> int:
        self.largest_read = max(self.largest_read, len(buffer))
        if self.breaks_at is not None and self.position >= self.breaks_at:
            raise OSError(5, "the disk of the sender is broken")
        count = min(len(buffer), self.length - self.position)
        buffer[:count] = self.bytes_at(self.position, count)
        self.position += count
        return count

    def file(self) -> File[bytes]:
        return File(cast("BinaryIO", self), name="source")

    @staticmethod
    def bytes_at(position: int, count: int) -> bytes:
        pattern = bytes(range(251)) * (count // 251 + 2)
        return pattern[position % 251 : position % 251 + count]


class TestContract:
    """A key has its complete file, or none."""

    def test_saved_file_can_be_read(self, storage: AnyStorage) -> None:
        assert storage.save(KEY, ContentFile(b"pixels")) == KEY
        assert read(storage, KEY) == b"pixels"
        assert storage.exists(KEY)
        assert storage.size(KEY) == 6
        assert keys_in(storage) == {KEY}

    def test_existing_key_is_overwritten_and_not_renamed(self, storage: AnyStorage) -> None:
        storage.save(KEY, ContentFile(b"a longer text than the next"))
        assert storage.save(KEY, ContentFile(b"pixels")) == KEY
        assert read(storage, KEY) == b"pixels"
        assert keys_in(storage) == {KEY}

    def test_keys_are_independent(self, storage: AnyStorage) -> None:
        keys = {f"originals/{name[:2]}/{name}" for name in ("ab12", "ab13", "cd14")}
        for key in keys:
            storage.save(key, ContentFile(key.encode()))
        assert keys_in(storage) == keys
        assert {read(storage, key).decode() for key in keys} == keys

    def test_empty_file_can_be_saved(self, storage: AnyStorage) -> None:
        storage.save(KEY, ContentFile(b""))
        assert read(storage, KEY) == b""

    def test_deleting_twice_is_no_error(self, storage: AnyStorage) -> None:
        storage.save(KEY, ContentFile(b"pixels"))
        storage.delete(KEY)
        storage.delete(KEY)
        assert not storage.exists(KEY)
        assert keys_in(storage) == set()

    def test_deleting_keeps_other_files(self, storage: AnyStorage) -> None:
        storage.save(KEY, ContentFile(b"pixels"))
        storage.save(KEY + ".more", ContentFile(b"others"))
        storage.delete(KEY)
        assert keys_in(storage) == {KEY + ".more"}

    def test_every_file_is_listed_with_its_time(self, storage: AnyStorage) -> None:
        keys = {KEY, "originals/ab/ab12", "originals/cd/cd34"}
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        for key in keys:
            storage.save(key, ContentFile(b"pixels"))
        listed = {folder: dict(storage.walk(folder)) for folder in ("originals", "renditions")}
        assert set(listed["renditions"]) == {KEY}
        assert set(listed["originals"]) == keys - {KEY}
        times = [datetime.fromtimestamp(at, UTC) for found in listed.values() for at in found.values()]
        assert hour_ago < min(times)
        assert max(times) < hour_ago + timedelta(hours=2)

    def test_missing_folder_has_no_files(self, storage: AnyStorage) -> None:
        assert list(storage.walk("originals")) == []

    def test_deleted_key_can_be_saved_again(self, storage: AnyStorage) -> None:
        storage.save(KEY, ContentFile(b"pixels"))
        storage.delete(KEY)
        storage.save(KEY, ContentFile(b"others"))
        assert read(storage, KEY) == b"others"

    def test_absent_key_raises_file_missing(self, storage: AnyStorage) -> None:
        with pytest.raises(FileMissing):
            call_storage(lambda: read(storage, KEY), storage)
        storage.save(KEY + ".more", ContentFile(b"others"))
        with pytest.raises(FileMissing):
            call_storage(lambda: read(storage, KEY), storage)

    def test_large_file_is_saved_in_chunks(self, storage: AnyStorage) -> None:
        size = 8 * 1024 * 1024 + 1
        source = Source(size)
        storage.save(KEY, source.file())
        assert source.largest_read < size
        digest = hashlib.sha256()
        with storage.open(KEY) as file:
            for chunk in file.chunks(1 << 20):
                digest.update(chunk)
        assert digest.hexdigest() == hashlib.sha256(Source.bytes_at(0, size)).hexdigest()
        assert storage.size(KEY) == size

    @pytest.mark.parametrize("size", [100_000, 20 * 1024 * 1024], ids=["small", "large"])
    def test_interrupted_save_leaves_no_file(self, size: int, storage: AnyStorage) -> None:
        source = Source(size, breaks_at=size * 3 // 4)
        with pytest.raises(StorageUnavailable, match="the disk of the sender is broken"):
            call_storage(lambda: storage.save(KEY, source.file()), storage)
        assert keys_in(storage) == set()

    def test_interrupted_save_keeps_the_existing_file(self, storage: AnyStorage) -> None:
        storage.save(KEY, ContentFile(b"pixels"))
        with pytest.raises(StorageUnavailable):
            call_storage(lambda: storage.save(KEY, Source(9999, breaks_at=0).file()), storage)
        assert read(storage, KEY) == b"pixels"
        assert keys_in(storage) == {KEY}

    def test_partly_read_file_is_saved_from_its_beginning(self, storage: AnyStorage) -> None:
        content = ContentFile(b"pixels")
        content.seek(3)
        storage.save(KEY, content)
        assert read(storage, KEY) == b"pixels"

    def test_check_passes_on_a_working_storage(self, storage: AnyStorage) -> None:
        storage.check()
        assert keys_in(storage) == set()
