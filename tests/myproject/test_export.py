"""A person downloads everything of theirs as a zip archive, and nothing of other people."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import AsyncClient, Client
from PIL import Image

from myproject.leaving.export import _in_turn
from processing.fingerprint import original_key
from processing.storages import media
from processing.storages.local import LocalStorage
from processing.storages.media import StorageUnavailable
from tests.conftest import MakeImage, Send
from uploads import services
from uploads.api import export
from uploads.models import Event, Upload
from uploads.notices import endpoints
from uploads.notices.announcements import announce
from uploads.serving.archive import PIECE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture(autouse=True)
def _own_turns() -> None:
    cache.clear()


def download(person: User, *, path: str = "/account/export", longest: list[int] | None = None) -> Any:
    """Ask as a browser does, and return the response and its body."""

    async def ask() -> tuple[Any, bytes]:
        client = AsyncClient()
        await client.aforce_login(person)
        response: Any = await client.post(path)
        if not response.streaming:
            return response, b""
        parts = [part async for part in response.streaming_content]
        if longest is not None:
            longest.extend(map(len, parts))
        response.close()
        return response, b"".join(parts)

    return async_to_sync(ask)()


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.asgi_request)]


def opened(person: User) -> zipfile.ZipFile:
    response, body = download(person)
    assert response.status_code == 200
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert archive.testzip() is None
    return archive


def records(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(name))


def test_archive_contains_every_original_byte_for_byte(
    send: Send, owner: User, make_image: MakeImage
) -> None:
    sent = {
        "originals/sea.jpg": make_image(seed=1),
        "originals/Sea (2).jpg": make_image(seed=2),
        "originals/größe.png": make_image(seed=3, format="PNG"),
    }
    for data, name in zip(sent.values(), ["sea.jpg", "Sea.jpg", "größe.png"], strict=True):
        send(data, name=name)
    archive = opened(owner)
    found = {name: archive.read(name) for name in archive.namelist() if name.startswith("originals/")}
    assert found == sent
    uploads = records(archive, "uploads.json")
    assert [upload["file"] for upload in uploads] == list(sent)
    assert {upload["file_state"] for upload in uploads} == {"whole"}
    response, _ = download(owner)
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"].startswith('attachment; filename="darkroom-')
    assert "no-store" in response["Cache-Control"]


def test_records_are_as_the_api_shows_them_without_secrets(send: Send, owner: User, client: Client) -> None:
    upload = send()
    announce(upload, Event.Name.READY)
    endpoint = endpoints.add(owner=owner, url="https://example.com/hook")
    secret = endpoint.secrets.get().value
    client.force_login(owner)
    shown = client.get(f"/api/uploads/{upload.pk}/").json()
    _, body = download(owner)
    assert secret.encode() not in body
    archive = zipfile.ZipFile(io.BytesIO(body))
    (record,) = records(archive, "uploads.json")
    assert {**record, "file": None, "file_state": None} == {**shown, "file": None, "file_state": None}
    assert [event["type"] for event in records(archive, "events.json")] == ["upload.received", "upload.ready"]
    assert [notice["subject"] for notice in records(archive, "notices.json")] == ["photo.jpg is ready"]
    assert [hook["url"] for hook in records(archive, "webhooks.json")] == ["https://example.com/hook"]
    account = records(archive, "account.json")
    assert (account["username"], account["email"]) == ("ada", "ada@example.com")
    assert account["preferences"] == {"email": "digest", "language": "en", "refused_address": None}
    assert account["quota"]["images"]["used"] == 1


def test_nothing_of_another_person_is_in_it(send: Send, owner: User, stranger: User) -> None:
    send(name="secret.jpg")
    archive = opened(stranger)
    assert archive.namelist() == [
        "uploads.json",
        "events.json",
        "notices.json",
        "webhooks.json",
        "account.json",
    ]
    assert records(archive, "uploads.json") == []


def test_only_a_signed_in_page_of_this_site_can_ask(send: Send, owner: User) -> None:
    visitor = Client()
    assert visitor.post("/account/export")["Location"].startswith("/accounts/login/")
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(owner)
    assert elsewhere.post("/account/export").status_code == 403
    assert elsewhere.get("/account/export").status_code == 405


def test_lost_and_damaged_originals_are_listed_and_break_nothing(
    send: Send, owner: User, make_image: MakeImage
) -> None:
    lost, damaged, whole = (send(make_image(seed=seed), name=f"{seed}.jpg") for seed in (1, 2, 3))
    default_storage.delete(original_key(lost.original.content_hash))
    media.media.save(original_key(damaged.original.content_hash), ContentFile(b"other bytes"))
    archive = opened(owner)
    assert {
        upload["id"]: (upload["file"], upload["file_state"]) for upload in records(archive, "uploads.json")
    } == {
        str(lost.pk): (None, "lost"),
        str(damaged.pk): ("originals/2.jpg", "damaged"),
        str(whole.pk): ("originals/3.jpg", "whole"),
    }
    assert archive.read("originals/2.jpg") == b"other bytes"
    suspects = Upload.objects.filter(original__suspect=True)
    assert set(suspects) == {lost, damaged}


def test_missing_storage_ends_the_archive_instead_of_losing_all(
    send: Send, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = send()
    monkeypatch.setattr(LocalStorage, "is_there", lambda _storage: False)
    response, _ = download(owner)
    assert said(response) == ["The storage is unavailable. Try again in a minute."]
    answers = iter([True, False])
    monkeypatch.setattr(LocalStorage, "is_there", lambda _storage: next(answers))
    default_storage.delete(original_key(upload.original.content_hash))
    with pytest.raises(StorageUnavailable):
        download(owner)
    assert not Upload.objects.filter(original__suspect=True).exists()


def test_memory_is_bounded(send: Send, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many pieces leaves in many pieces, and rows are represented in batches."""
    for seed in range(3):
        send(None if not seed else bytes_of(seed), name=f"{seed}.jpg")
    large = Upload.objects.order_by("created_at")[0].original
    media.media.save(original_key(large.content_hash), ContentFile(bytes(20 * PIECE)))
    monkeypatch.setattr(export, "_BATCH", 1)
    longest: list[int] = []
    _, body = download(owner, longest=longest)
    assert len(body) > 20 * PIECE
    assert max(longest) <= 2 * PIECE
    assert len(longest) >= 20


def bytes_of(seed: int) -> bytes:
    from_green = io.BytesIO()
    Image.new("RGB", (40, 30), (0, seed, 0)).save(from_green, "PNG")
    return from_green.getvalue()


def test_one_export_at_a_time(send: Send, owner: User, stranger: User) -> None:
    send()

    async def during() -> Any:
        client, other = AsyncClient(), AsyncClient()
        await client.aforce_login(owner)
        await other.aforce_login(stranger)
        first: Any = await client.post("/account/export")
        second: Any = await client.post("/account/export")
        theirs: Any = await other.post("/account/export")
        assert [part async for part in first.streaming_content]
        assert [part async for part in theirs.streaming_content]
        third: Any = await client.post("/account/export")
        assert [part async for part in third.streaming_content]
        return second

    refused = async_to_sync(during)()
    assert (refused.status_code, refused["Location"]) == (302, "/account/")
    assert said(refused) == ["An export is under way. Wait until it has ended, or try again in ten minutes."]


def test_ended_download_ends_the_export(owner: User) -> None:
    closed = []

    def made() -> Iterator[bytes]:
        try:
            yield from (b"a", b"b")
        finally:
            closed.append(True)

    async def interrupted() -> None:
        download = _in_turn("export:1", made())
        assert await anext(download) == b"a"
        assert cache.get("export:1")
        await download.aclose()

    cache.set("export:1", True)
    async_to_sync(interrupted)()
    assert (closed, cache.get("export:1")) == ([True], None)


def test_deleted_upload_is_not_in_it(send: Send, owner: User) -> None:
    services.delete_upload(upload=send())
    assert records(opened(owner), "uploads.json") == []


def test_account_page_offers_it(owner: User, client: Client) -> None:
    client.force_login(owner)
    assert 'action="/account/export"' in client.get("/account/").content.decode()
