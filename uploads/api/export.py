"""The export of everything that a person has: the originals, and the records as the API shows them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from django.core.files.base import File
from django.db import close_old_connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import get_language, override
from rest_framework.utils.encoders import JSONEncoder

from processing import clock, originals
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media
from uploads.api.serializers import NoticeSerializer, QuotaSerializer, UploadSerializer
from uploads.api.webhook_serializers import EndpointSerializer
from uploads.hooks import verdicts
from uploads.models import Endpoint, Event, Upload
from uploads.notices import mailbox, preferences
from uploads.notices.inbox import inbox
from uploads.receiving import quotas
from uploads.serving.archive import PIECE, Entry, FileNames, pieces

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Records = Callable[[list[Any]], Iterable[dict[str, Any]]]

# The number of rows that are in memory at a time, and a generous size of one in bytes.
_BATCH = 100
_ROW = 1 << 15


def archive(*, person: User, request: HttpRequest) -> Iterator[bytes]:
    """Return the pieces of a zip archive of all that a person has. Each piece is made when it is asked for.

    Raises `StorageUnavailable`, also from a later piece. The archive then has no directory and cannot
    be opened, so it is not taken for complete.
    """
    if not call_storage(media.is_there):
        raise StorageUnavailable("The storage is missing.")
    return pieces(_Export(person=person, request=request).entries())


class ExportedEndpointSerializer(EndpointSerializer):
    """An endpoint without its secrets."""

    secrets = None  # type: ignore[assignment]  # so Django REST framework removes a field

    class Meta(EndpointSerializer.Meta):
        fields = tuple(  # type: ignore[assignment]  # one name fewer
            name for name in EndpointSerializer.Meta.fields if name != "secrets"
        )


class _Export:
    """One export: its person, and what became of each original so far."""

    def __init__(self, *, person: User, request: HttpRequest) -> None:
        self._person = person
        self._request = request
        self._language = get_language() or ""
        self._names: dict[UUID, str] = {}
        self._states: dict[UUID, Literal["damaged", "lost", "withheld"]] = {}

    def entries(self) -> Iterator[Entry]:
        """Yield the originals first, because the records say which of them are lost."""
        uploads = Upload.objects.shown().filter(owner=self._person)
        names = FileNames()
        for upload in self._batches(uploads, _keys(uploads), lambda rows: rows):
            file = self._open(upload)
            if file is not None:
                self._names[upload.pk] = f"originals/{names.claim(upload.filename)}"
                yield Entry(
                    self._names[upload.pk],
                    upload.original.byte_size,
                    upload.created_at,
                    self._read(upload, file),
                )
        yield self._records("uploads.json", uploads, self._uploads)
        yield self._records("events.json", Event.objects.filter(owner=self._person), _events)
        yield self._records(
            "notices.json", inbox(self._person), lambda rows: NoticeSerializer(rows, many=True).data
        )
        yield self._records(
            "webhooks.json",
            Endpoint.objects.filter(owner=self._person),
            lambda rows: ExportedEndpointSerializer(rows, many=True).data,
        )
        yield Entry("account.json", _ROW, clock.now(), [_json(self._account())])

    def _open(self, upload: Upload) -> File[Any] | None:
        """Return an original's file, or None if it is lost, or the hooks have not passed it."""
        if not verdicts.may_go_out(upload):
            self._states[upload.pk] = "withheld"
            return None
        try:
            return originals.open_file(upload.original)
        except FileMissing as error:
            if not call_storage(media.is_there):
                raise StorageUnavailable("The storage is missing.") from error
            originals.flag(upload.original)
            self._states[upload.pk] = "lost"
            return None

    def _read(self, upload: Upload, file: File[Any]) -> Iterator[bytes]:
        """Yield the bytes of an original, and note if they are not the ones that were sent."""
        digest = hashlib.sha256()
        with file:
            while chunk := call_storage(lambda: file.read(PIECE)):
                digest.update(chunk)
                yield chunk
        if digest.hexdigest() != upload.original.content_hash:
            originals.flag(upload.original)
            self._states[upload.pk] = "damaged"

    def _records(self, name: str, rows: QuerySet[Any], represent: Records) -> Entry:
        keys = _keys(rows)
        found = self._batches(rows, keys, represent)
        return Entry(name, (len(keys) + 1) * _ROW, clock.now(), _json_list(found))

    def _batches(
        self, rows: QuerySet[Any], keys: list[Any], represent: Callable[[list[Any]], Iterable[Any]]
    ) -> Iterator[Any]:
        """Yield the representation of each row. Between batches, a slow download holds no connection."""
        for start in range(0, len(keys), _BATCH):
            # While the response is streamed, the request's language is no longer active.
            with override(self._language):
                batch = rows.filter(pk__in=keys[start : start + _BATCH]).order_by("created_at", "pk")
                found = list(represent(list(batch)))
            close_old_connections()
            yield from found

    def _uploads(self, rows: list[Upload]) -> Iterable[dict[str, Any]]:
        records = UploadSerializer(rows, many=True, context={"request": self._request}).data
        for upload, record in zip(rows, records, strict=True):
            state = self._states.get(upload.pk, "whole")
            yield {**record, "file": self._names.get(upload.pk), "file_state": state}

    def _account(self) -> dict[str, Any]:
        person = self._person
        refused = mailbox.refused_address(person)
        return {
            "username": person.get_username(),
            "email": person.email,
            "joined_at": person.date_joined,
            "preferences": {
                "email": preferences.email_choice(person),
                "language": preferences.language_of(person),
                "refused_address": refused.address if refused else None,
            },
            "quota": QuotaSerializer(quotas.usage_of(person)).data,
        }


def _events(rows: list[Event]) -> Iterable[dict[str, Any]]:
    return [{"id": event.pk, "upload": event.upload_id, **event.payload()} for event in rows]


def _keys(rows: QuerySet[Any]) -> list[Any]:
    return list(rows.order_by("created_at", "pk").values_list("pk", flat=True))


def _json_list(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    before = b"[\n"
    for record in records:
        yield before + _json(record)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def _json(record: Any) -> bytes:
    return json.dumps(record, cls=JSONEncoder, ensure_ascii=False).encode()
