"""Wait for the workers of a live test."""

import time

from django.db import connections

from uploads.models import Upload

# Seconds between two looks at the database.
_PAUSE = 0.05


class UploadFailed(Exception):
    """The upload has failed, so it will not be ready."""


def wait_until_ready(upload: Upload, *, seconds: float = 30) -> Upload:
    """Wait until workers have processed an upload, and return it as it is then.

    Raises `UploadFailed` if it has failed, `TimeoutError` if it is not ready in time, and `RuntimeError` in a
    `TestCase`, whose transaction neither shows the upload to workers nor shows their work.
    """
    if connections[upload._state.db or "default"].in_atomic_block:  # noqa: SLF001  # Django documents it
        raise RuntimeError(
            "wait_until_ready sees no worker's changes inside a transaction. Use LiveServerTestCase,"
            " TransactionTestCase or pytest.mark.django_db(transaction=True), or use"
            " uploads.testing.rendered_at_once in a TestCase."
        )
    ends_at = time.monotonic() + seconds
    while True:
        upload.refresh_from_db()
        if upload.status == Upload.Status.READY:
            return upload
        if upload.status == Upload.Status.FAILED:
            raise UploadFailed(f"{upload} failed with {upload.error_code}: {upload.error_detail}")
        if time.monotonic() >= ends_at:
            raise TimeoutError(
                f"{upload} is still {upload.status} after {seconds:g} seconds. Does a worker consume the"
                " queues of Darkroom, on the database and the storage of this test?"
            )
        time.sleep(_PAUSE)
