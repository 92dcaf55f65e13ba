"""The storages under test: a folder, memory, moto, rclone's S3 server, and a folder of a bucket there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from processing.storages.local import LocalStorage
from processing.storages.memory import MemoryStorage
from processing.storages.s3 import S3Storage
from tests.storage.servers import moto_server, rclone_server, s3_storage

AnyStorage = LocalStorage | MemoryStorage | S3Storage
S3_SERVERS = ["moto", "rclone"]


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Storage]:
    """Return a storage on moto."""
    with moto_server() as endpoint, s3_storage(endpoint) as storage:
        yield storage


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which rclone's server keeps the buckets."""
    folder = tmp_path_factory.mktemp("rclone") / "buckets"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def rclone(buckets: Path) -> Iterator[S3Storage]:
    """Return a storage on rclone's S3 server."""
    with rclone_server(buckets) as endpoint, s3_storage(endpoint) as storage:
        yield storage


@pytest.fixture(scope="session")
def prefixed(rclone: S3Storage) -> Iterator[S3Storage]:
    """Return a storage in a folder of the bucket on rclone's server."""
    with s3_storage(rclone.endpoint_url, prefix="photos/2026") as storage:
        yield storage


@pytest.fixture(params=S3_SERVERS)
def s3(request: pytest.FixtureRequest) -> S3Storage:
    """Return a storage with an empty bucket, on each S3 server."""
    storage: S3Storage = request.getfixturevalue(request.param)
    return with_empty_bucket(storage)


@pytest.fixture(params=["local", "memory", *S3_SERVERS, "prefixed"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AnyStorage:
    """Return each storage, empty."""
    if request.param == "local":
        return LocalStorage(location=tmp_path / "media")
    if request.param == "memory":
        return MemoryStorage()
    return with_empty_bucket(request.getfixturevalue(request.param))


def with_empty_bucket(storage: S3Storage) -> S3Storage:
    """Create the storage's bucket or empty it, and return the storage."""
    client = storage.connection.meta.client
    if storage.bucket_name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=storage.bucket_name)
    for item in storage.bucket.objects.all():
        client.delete_object(Bucket=storage.bucket_name, Key=item.key)
    return storage


def keys_in(storage: AnyStorage) -> set[str]:
    """Return the keys of all files in the storage, including partial ones."""
    if isinstance(storage, S3Storage):
        prefix = f"{storage.location}/" if storage.location else ""
        found = {item.key for item in storage.bucket.objects.all()}
        assert all(key.startswith(prefix) for key in found)
        return {key.removeprefix(prefix) for key in found}
    if isinstance(storage, MemoryStorage):
        return {key for folder in ("originals", "renditions") for key, _at in storage.walk(folder)}
    root = Path(storage.location)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def read(storage: AnyStorage, key: str) -> bytes:
    """Return the bytes of a stored file."""
    with storage.open(key) as file:
        data: bytes = file.read()
        return data
