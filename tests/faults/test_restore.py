"""Backups are made and restored by the commands of docs/restore.md, also in the midst of uploads."""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.faults import bucket, restoring
from tests.faults.person import Person
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault
ORIGINALS = """
    SELECT content_hash FROM processing_original
    JOIN uploads_upload ON uploads_upload.original_id = processing_original.id
    JOIN auth_user ON auth_user.id = uploads_upload.owner_id WHERE auth_user.username = '{name}'
"""
LOSE_FILES = {"folder": 'rm -r "$MEDIA_ROOT"/*', "bucket": 'rclone delete "store:$S3_BUCKET"'}
LOSE_DATABASE = 'psql "$DATABASE_URL" --quiet --command "DROP SCHEMA public CASCADE; CREATE SCHEMA public"'


def send_until(person: Person, pictures: Iterator[bytes], number: int) -> None:
    for _, data in zip(range(number), pictures, strict=False):
        assert person.send(data).status == 201


def test_restored_backup_costs_no_image(site: Site, tmp_path: Path) -> None:
    ada = site.person()
    pictures = [site.pictures.next() for _ in range(40)]
    sender = Thread(target=send_until, args=(ada, iter(pictures), len(pictures)))
    sender.start()
    wait_until(lambda: len(ada.sent) >= 10)
    restoring.back_up(site, folder=tmp_path)
    at_backup = len(ada.sent)
    sender.join(timeout=120)
    assert len(ada.sent) == len(pictures) > at_backup
    site.wait_until_at_rest()
    told = restoring.restore(site, folder=tmp_path, name=ada.name)
    assert "unknown: originals/" in told
    assert "(adopted)" in told
    site.start("web", "beat")
    site.wait_until_at_rest()
    hashes = {hashlib.sha256(data).hexdigest() for data in pictures}
    assert {row[0] for row in site.rows(ORIGINALS.format(name=ada.name))} == hashes
    for content_hash in hashes:
        stored = site.media / "originals" / content_hash[:2] / content_hash
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == content_hash
    # The uploads that came after the backup have other ids now.
    ada.sent.clear()
    site.assert_promise()


@contextlib.contextmanager
def site_with(storage: str) -> Iterator[Site]:
    """Return a site on PostgreSQL whose files are in a folder or in a bucket."""
    folder = Path(tempfile.mkdtemp(prefix="darkroom-site-"))
    with contextlib.ExitStack() as stack:
        settings = {}
        if storage == "bucket":
            settings = bucket.settings_of(stack.enter_context(bucket.bucket_in(folder)))
        yield stack.enter_context(Site(folder, **settings))


def carry_out(site: Site, commands: Iterable[str], *, storage: str, folder: Path, **settings: str) -> str:
    """Carry out the commands that concern this kind of storage, and return their output."""
    others = "rclone " if storage == "folder" else "tar "
    exports, told = [], ""
    for command in commands:
        if command.startswith("export"):
            exports.append(command)
        elif not command.startswith(others):
            line = "; ".join([*exports, command])
            told += restoring.carry_out(site, line, folder=folder, **settings)
    return told


@pytest.mark.postgresql
@pytest.mark.parametrize("storage", ["folder", "bucket"])
def test_lost_site_is_restored_from_its_backup(storage: str, tmp_path: Path) -> None:
    with site_with(storage) as site:
        site.make_whole()
        ada = site.person()
        for _ in range(5):
            assert ada.send(site.pictures.next()).status == 201
        site.wait_until_at_rest()
        carry_out(site, restoring.commands("Back up"), storage=storage, folder=tmp_path)
        for program in ("web", "worker", "beat", "redis"):
            site.kill(program)
        exports = [line for line in restoring.commands("Back up") if line.startswith("export")]
        carry_out(site, [*exports, LOSE_FILES[storage], LOSE_DATABASE], storage=storage, folder=tmp_path)
        before, audit = split_before("audit", restoring.commands("Everything is lost"))
        carry_out(site, before, storage=storage, folder=tmp_path)
        site.make_whole()
        carry_out(site, audit, storage=storage, folder=tmp_path)
        site.wait_until_at_rest()
        assert {ada.upload(upload)["status"] for upload in ada.sent} == {"ready"}
        site.assert_promise()


def split_before(word: str, commands: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the commands before the first one that has this word, and the rest."""
    lines = list(commands)
    first = next(number for number, line in enumerate(lines) if f" {word} " in line)
    return lines[:first], lines[first:]


@pytest.mark.postgresql
def test_files_move_from_a_folder_to_a_bucket(tmp_path: Path) -> None:
    with site_with("folder") as site, bucket.bucket_in(tmp_path) as proxy:
        site.make_whole()
        ada = site.person()
        assert ada.send(site.pictures.next()).status == 201
        site.wait_until_at_rest()
        for program in ("web", "worker", "beat"):
            site.kill(program)
        settings = bucket.settings_of(proxy)
        moving = restoring.commands("Another storage")
        carry_out(site, moving, storage="bucket", folder=tmp_path, **settings)
        site.environment |= settings
        audit = json.loads(site.manage("audit", "--json"))
        assert (audit["checked"], audit["ok"], audit["agrees"]) == (11, True, True)
        site.make_whole()
        upload = ada.upload(next(iter(ada.sent)))
        assert ada.request("GET", upload["renditions"][0]["url"]).status == 200
