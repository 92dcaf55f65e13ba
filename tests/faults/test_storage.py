"""Storage faults: S3 that fails, resets connections or is slow, and a full disk."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import IN_CI
from tests.faults import bucket
from tests.faults.person import Answer
from tests.faults.proxy import Mode, Proxy
from tests.faults.site import Site
from tests.storage import refusals
from tests.storage.servers import ACCESS_KEY, SECRET_KEY
from tests.system import wait_until

pytestmark = pytest.mark.fault

# Seconds of the longest pause between two attempts at a step, which the database schedules.
LONGEST_PAUSE = 600
# Nothing is killed here, and a step with a slow storage on a busy machine takes long.
TIME_LIMIT = {"STEP_TIME_LIMIT": "60"}
FAILED_PUTS: list[Mode] = ["error", "reset", "answer_lost"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with a short path, because it contains sockets."""
    path = Path(tempfile.mkdtemp(prefix="darkroom-site-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def s3(folder: Path) -> Iterator[Proxy]:
    """Return a proxy to an S3 server with an empty bucket."""
    with bucket.bucket_in(folder) as proxy:
        yield proxy


@pytest.fixture
def s3_site(request: pytest.FixtureRequest, folder: Path, s3: Proxy) -> Iterator[Site]:
    """Return a site that stores its files on that server."""
    environment = {**bucket.settings_of(s3), **TIME_LIMIT}
    with Site(folder, database=request.config.getoption("--database"), **environment) as site:
        site.make_whole()
        yield site


def test_s3_fails_and_recovers(s3: Proxy, s3_site: Site) -> None:
    person = s3_site.person()
    s3_site.stop("worker")
    for _ in range(4):
        assert person.send(s3_site.pictures.next()).status == 201
    data = s3_site.pictures.next()
    for mode in FAILED_PUTS:
        s3.mode = mode
        assert_refused(person.send(data))
    assert len(person.sent) == 4
    s3_site.go_on("worker")
    for mode in FAILED_PUTS:
        s3.mode, s3.served = mode, {}
        # The S3 client tries three times for each attempt of a worker.
        wait_until(lambda mode=mode: s3.served.get(mode, 0) >= 3, seconds=LONGEST_PAUSE)  # type: ignore[misc]
    s3.mode = "slow"
    assert person.send(data).status == 201
    s3.mode = "well"
    s3_site.wait_until_at_rest(seconds=LONGEST_PAUSE)
    assert {person.upload(upload)["status"] for upload in person.sent} == {"ready"}
    s3_site.assert_promise()


def test_s3_with_narrow_rights_outlives_a_token_and_slow_down(
    request: pytest.FixtureRequest, folder: Path, s3: Proxy
) -> None:
    credentials = folder / "credentials"
    write_credentials(credentials, token="first")
    narrow = refusals.all_of(
        refusals.list_only_below("photos/", folder / "buckets" / "media"), refusals.no_acl
    )
    s3.refuse = narrow
    environment = {
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_S3_ENDPOINT_URL": s3.url,
        "S3_BUCKET": "media",
        "S3_PREFIX": "photos",
        **TIME_LIMIT,
    }
    with Site(folder, database=request.config.getoption("--database"), **environment) as site:
        site.make_whole()
        site.manage("doctor", "database", "storage", "redis", "broker")
        person = site.person()
        assert person.send(site.pictures.next()).status == 201
        (first,) = person.sent
        site.wait_until_at_rest()
        assert person.delete(first).status == 204

        data = site.pictures.next()
        s3.refuse = refusals.all_of(narrow, refusals.expired("first"))
        assert_refused(person.send(data))
        write_credentials(credentials, token="second")
        assert person.send(data).status == 201

        s3.refuse = refusals.always(503, "SlowDown")
        data = site.pictures.next()
        assert_refused(person.send(data))
        site.stop("worker")
        s3.refuse = narrow
        assert person.send(data).status == 201
        s3.refuse, s3.served = refusals.always(503, "SlowDown"), {}
        site.go_on("worker")
        # The S3 client tries three times for each attempt of a worker.
        wait_until(lambda: s3.served.get("refused", 0) >= 3)
        s3.refuse = narrow
        site.wait_until_at_rest(seconds=LONGEST_PAUSE)
        kept = person.sent.keys() - person.deleted
        assert {person.upload(upload)["status"] for upload in kept} == {"ready"}
        site.assert_promise()


def write_credentials(file: Path, *, token: str) -> None:
    """Write the file from which boto3 reads the credentials."""
    file.write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        f"aws_session_token = {token}\n"
    )


def is_to_be_tried_again(site: Site) -> bool:
    """Return whether an attempt has failed and another one is scheduled."""
    return bool(site.rows("SELECT 1 FROM processing_lease WHERE next_attempt_at IS NOT NULL"))


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """Return a file system of one megabyte."""
    path = folder / "media"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        if IN_CI and os.geteuid() == 0:
            pytest.fail("There is no file system to fill.")
        pytest.skip("Only root can mount a file system to fill.")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def small_site(request: pytest.FixtureRequest, folder: Path, disk: Path) -> Iterator[Site]:
    """Return a site that stores its files on that file system."""
    database = request.config.getoption("--database")
    with Site(folder, database=database, MEDIA_ROOT=str(disk), **TIME_LIMIT) as site:
        site.make_whole()
        yield site


def test_uploads_recover_after_a_full_disk(small_site: Site, disk: Path) -> None:
    person, filler = small_site.person(), disk / "filler"
    assert person.send(small_site.pictures.next()).status == 201
    small_site.wait_until_at_rest()
    fill(filler)
    # There may be room for a new folder, but not for the picture.
    data = small_site.pictures.next(width=400, height=300)
    assert_refused(person.send(data))
    assert not list(disk.rglob("*.part"))
    small_site.stop("worker")
    filler.unlink()
    assert person.send(data).status == 201
    fill(filler)
    small_site.go_on("worker")
    wait_until(lambda: is_to_be_tried_again(small_site))
    filler.unlink()
    small_site.wait_until_at_rest(seconds=LONGEST_PAUSE)
    assert {person.upload(upload)["status"] for upload in person.sent} == {"ready"}
    small_site.assert_promise()


def fill(path: Path) -> None:
    """Fill the file system with one file."""
    free = shutil.disk_usage(path.parent).free
    path.write_bytes(bytes(free))


def assert_refused(answer: Answer) -> None:
    assert (answer.status, answer.json()["code"]) == (503, "storage_unavailable")
