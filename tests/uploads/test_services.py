"""Receiving, changing and deleting."""

from tests.conftest import Send, assert_storage_matches_rows
from uploads import pipeline
from uploads.models import Upload


def test_an_upload_becomes_ready(send: Send) -> None:
    upload = send()
    pipeline.run_here(upload)
    upload.refresh_from_db()
    assert upload.status == Upload.Status.READY
    assert upload.original.renditions.count() == 10
    assert_storage_matches_rows()
