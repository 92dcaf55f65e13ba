"""A backup that was taken in the midst of uploads is restored by the commands of docs/restore.md."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.faults import restoring
from tests.faults.person import Person
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault
ORIGINALS = """
    SELECT content_hash FROM processing_original
    JOIN uploads_upload ON uploads_upload.original_id = processing_original.id
    JOIN auth_user ON auth_user.id = uploads_upload.owner_id WHERE auth_user.username = '{name}'
"""


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
