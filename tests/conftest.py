"""Shared fixtures: users, pictures, and a clean storage."""

import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone, translation
from PIL import Image
from redis import Redis
from rest_framework.test import APIClient

from processing import clock, correlation
from processing.garbage import generations, pending_files
from processing.models import Original
from tests.environment import FOLDER
from tests.processing.pictures import CORPUS, NO_CORPUS
from tests.redis_server import TLSRedis, tls_program
from uploads import services
from uploads.models import Upload
from uploads.monitoring import readiness
from uploads.receiving.form import HashedFile
from uploads.tokens import issuing

# If a required part is missing, CI fails. A developer's machine skips the test.
IN_CI = os.environ.get("CI") == "true"

MakeImage = Callable[..., bytes]
MakeFile = Callable[..., HashedFile]
Send = Callable[..., Upload]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the folder of real images, which is beside the repository."""
    if not CORPUS.is_dir():
        if IN_CI:
            pytest.fail(NO_CORPUS)
        pytest.skip(NO_CORPUS)
    return CORPUS


@pytest.fixture(autouse=True)
def _clean_media() -> Iterator[None]:
    """Remove all stored files after each test, and never touch a folder outside the tests' own."""
    assert FOLDER in Path(settings.MEDIA_ROOT).parents
    yield
    for name in ("originals", "renditions"):
        shutil.rmtree(Path(settings.MEDIA_ROOT) / name, ignore_errors=True)
    (Path(settings.MEDIA_ROOT) / generations.KEY).unlink(missing_ok=True)
    shutil.rmtree(FOLDER / "var" / "handover", ignore_errors=True)


@pytest.fixture(autouse=True)
def _new_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test check the parts anew."""
    monkeypatch.setattr(readiness, "_lookout", readiness.Lookout())


@pytest.fixture(autouse=True)
def _no_correlation() -> Iterator[None]:
    """Let each test begin without the ids of the work before."""
    token = correlation.begin(correlation.Correlation())
    yield
    correlation.end(token)


@pytest.fixture(autouse=True)
def _one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the host's clock for the database's: both are on this machine, and a test counts its queries."""
    monkeypatch.setattr(clock, "ahead", timedelta)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Reset the language after each test, because a request's language stays with its thread."""
    yield
    translation.deactivate()


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop the clock at the returned time, so that delays are exact on a slow machine too."""
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


@pytest.fixture
def owner(db: None) -> User:
    """Return a user."""
    return User.objects.create_user("ada", "ada@example.com", "correct horse")


@pytest.fixture
def stranger(db: None) -> User:
    """Return another user."""
    return User.objects.create_user("bob", "bob@example.com", "battery staple")


def key_of(user: User, scope: str = "all", *, expires_at: datetime | None = None) -> str:
    """Return the key of a new token."""
    return issuing.issue(owner=user, name="a program", scope=scope, expires_at=expires_at).key


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """Return a function that makes an API client with the token of a user."""

    def make(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(user)}")
        return client

    return make


@pytest.fixture
def redis_client() -> Iterator[Redis]:
    """Return the Redis of the tests, emptied before and after each test."""
    with Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture(scope="session")
def tls_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSRedis]:
    """Return a running Redis that speaks TLS, with a user and a password."""
    program = tls_program()
    if program is None:
        if IN_CI:
            pytest.fail("There is no Redis with TLS.")
        pytest.skip("There is no Redis with TLS; install Debian's package redis-server.")
    with TLSRedis.running(program, tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def make_image() -> MakeImage:
    """Return a function that makes the bytes of a picture: a gradient, in which each pixel differs."""

    def make(
        *,
        width: int = 600,
        height: int = 400,
        format: str = "JPEG",
        mode: str = "RGB",
        seed: int = 0,
        **options: object,
    ) -> bytes:
        across = Image.linear_gradient("L").rotate(90).resize((width, height))
        down = Image.linear_gradient("L").resize((width, height))
        flat = Image.new("L", (width, height), seed % 256)
        bands = {"RGB": (across, down, flat), "RGBA": (across, down, flat, across), "L": (across,)}[mode]
        output = io.BytesIO()
        Image.merge(mode, bands).save(output, format, **options)
        return output.getvalue()

    return make


@pytest.fixture
def make_file() -> Iterator[MakeFile]:
    """Return a function that makes a received file like the upload handler does."""
    files = []

    def make(data: bytes, *, name: str = "photo.jpg") -> HashedFile:
        file = HashedFile(name, "image/jpeg", len(data), None)
        file.write(data)
        file.flush()
        file.seek(0)
        file.content_hash = hashlib.sha256(data).hexdigest()
        files.append(file)
        return file

    yield make
    for file in files:
        file.close()


@pytest.fixture
def send(owner: User, make_image: MakeImage, make_file: MakeFile) -> Send:
    """Return a function that uploads a picture. No worker processes it."""

    def send(data: bytes | None = None, *, by: User | None = None, name: str = "photo.jpg") -> Upload:
        file = make_file(make_image() if data is None else data, name=name)
        return services.receive_upload(owner=by or owner, file=file).upload

    return send


def stored_keys() -> set[str]:
    """Return the keys of all files in the local storage."""
    root = Path(settings.MEDIA_ROOT)
    folders = (root / "originals", root / "renditions")
    return {str(path.relative_to(root)) for folder in folders for path in folder.rglob("*") if path.is_file()}


def stored_digest(key: str) -> str:
    """Return the SHA-256 of a stored file."""
    with default_storage.open(key) as file:
        return hashlib.sha256(file.read()).hexdigest()


def remove_garbage() -> None:
    """Remove the files that are due, as the collector does every ten seconds."""
    while pending_files.remove_due():
        pass


def assert_storage_matches_rows() -> None:
    """Assert that every row has its complete file, and that there are no other files but garbage."""
    remove_garbage()
    keys = set()
    for original in Original.objects.all():
        key = f"originals/{original.content_hash[:2]}/{original.content_hash}"
        assert stored_digest(key) == original.content_hash
        keys.add(key)
        for row in original.renditions.all():
            assert stored_digest(row.key) == row.digest
            keys.add(row.key)
    assert stored_keys() == keys
