"""PostgreSQL refuses writes, as after a failover: reading goes on, and writing leaves nothing behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from tests.conftest import MakeImage, Send, stored_keys
from uploads import completion
from uploads.models import Token, Upload
from uploads.receiving import admission
from uploads.serving.links import rendition_path

# Outside a transaction, an error of one query leaves the others alone, as in a request.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

ClientOf = Callable[[User], APIClient]
RefuseWrites = Callable[[], None]


@pytest.fixture
def ready(send: Send) -> Upload:
    """Return an upload with all its renditions."""
    upload = send()
    completion.run_here(upload)
    return upload


@pytest.fixture
def program(client_of: ClientOf, ready: Upload) -> APIClient:
    """Return the owner's program, whose token is used for the first time."""
    return client_of(ready.owner)


@pytest.fixture
def browser(client: Client, ready: Upload) -> Client:
    """Return the owner's browser."""
    client.force_login(ready.owner)
    return client


@pytest.fixture
def refuse_writes(transactional_db: None) -> Iterator[RefuseWrites]:
    """Return a function that lets the database refuse writes until the end of the test."""

    def refuse(state: str = "on") -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET default_transaction_read_only = {state}")

    yield refuse
    refuse("off")


def assert_refused(answer: Any) -> None:
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer.json()["code"] == "database_unavailable"


def files() -> set[Path]:
    """Return all stored files, and those that are being received."""
    folders = (Path(django_settings.MEDIA_ROOT), Path(django_settings.FILE_UPLOAD_TEMP_DIR))
    return {path for folder in folders for path in folder.rglob("*") if path.is_file()}


class TestReading:
    def test_program_reads_although_its_use_cannot_be_recorded(
        self, refuse_writes: RefuseWrites, program: APIClient
    ) -> None:
        refuse_writes()
        assert len(program.get("/api/uploads/").json()["results"]) == 1
        assert program.get("/api/quota/").status_code == 200
        assert Token.objects.get().last_used_at is None

    def test_pictures_are_served(self, refuse_writes: RefuseWrites, client: Client, ready: Upload) -> None:
        row = ready.original.renditions.get(preset="thumb", format="webp")
        refuse_writes()
        assert client.get(f"/i/{ready.pk}/thumb").status_code == 200
        assert client.get(rendition_path(ready, row)).status_code == 200

    def test_lost_files_are_reported_as_such(
        self, refuse_writes: RefuseWrites, browser: Client, ready: Upload
    ) -> None:
        row = ready.original.renditions.get(preset="thumb", format="webp")
        default_storage.delete(row.key)
        default_storage.delete(f"originals/{ready.original.content_hash[:2]}/{ready.original.content_hash}")
        refuse_writes()
        answer: Any = browser.get(f"/i/{ready.pk}/thumb.webp")
        assert answer.json()["code"] == "rendition_missing"
        answer = browser.get(f"/uploads/{ready.pk}/original")
        assert answer.json()["code"] == "original_lost"

    def test_pages_are_shown(self, refuse_writes: RefuseWrites, browser: Client, ready: Upload) -> None:
        refuse_writes()
        for path in ("/", f"/uploads/{ready.pk}/", "/account/", "/notices/"):
            assert browser.get(path).status_code == 200

    def test_person_stays_signed_in_after_a_rotation_of_the_secret_key(
        self, refuse_writes: RefuseWrites, browser: Client, settings: Any
    ) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another secret, which is as long as one of production has to be"
        refuse_writes()
        for _ in range(2):
            assert browser.get("/").status_code == 200

    def test_metrics_and_status_need_no_row_of_the_storage(
        self, refuse_writes: RefuseWrites, admin_client: Client
    ) -> None:
        refuse_writes()
        assert admin_client.get("/metrics").status_code == 200
        assert admin_client.get("/status/").status_code == 200


class TestWriting:
    def test_upload_is_refused_at_admission(
        self, refuse_writes: RefuseWrites, program: APIClient, make_image: MakeImage
    ) -> None:
        before = files()
        refuse_writes()
        sent = SimpleUploadedFile("new.jpg", make_image(seed=7))
        assert_refused(program.post("/api/uploads/", {"file": sent}))
        assert files() == before

    def test_upload_that_is_admitted_before_leaves_no_file(
        self,
        refuse_writes: RefuseWrites,
        program: APIClient,
        make_image: MakeImage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        before = files()
        monkeypatch.setattr(admission, "refuses_writes", lambda: False)
        refuse_writes()
        sent = SimpleUploadedFile("new.jpg", make_image(seed=7))
        assert_refused(program.post("/api/uploads/", {"file": sent}))
        assert files() == before

    def test_change_is_refused(self, refuse_writes: RefuseWrites, program: APIClient, ready: Upload) -> None:
        refuse_writes()
        path = f"/api/uploads/{ready.pk}/"
        assert_refused(program.patch(path, {"visibility": "private"}, format="json"))
        assert_refused(program.delete(path))
        assert len(stored_keys()) == 11

    def test_sign_in_is_refused_with_a_page(
        self, refuse_writes: RefuseWrites, client: Client, owner: User
    ) -> None:
        refuse_writes()
        form = {"login": owner.username, "password": "correct horse"}
        answer = client.post("/accounts/login/", form, headers={"accept": "text/html"})
        assert (answer.status_code, answer["Retry-After"]) == (503, "60")
        assert not client.cookies.get("sessionid")

    def test_command_says_what_is_wrong(self, refuse_writes: RefuseWrites, ready: Upload) -> None:
        refuse_writes()
        with pytest.raises(CommandError, match=r"The database is unavailable: cannot execute .* read-only"):
            call_command("reprocess", str(ready.pk), "--force")
