"""Lists of the API: cursor pages, and the filters and orders of uploads."""

import json
from datetime import UTC, datetime
from typing import Any, cast
from unicodedata import normalize

from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from uploads.models import Upload, UploadQuerySet

# Each order has an index that begins with the owner. The id makes it total.
ORDERINGS = ("-created_at", "created_at", "filename", "-filename")


class UploadFiltersSerializer(serializers.Serializer[Any]):
    """The query of a list of uploads."""

    status = serializers.ChoiceField(Upload.Status.choices, required=False, help_text="only this status")
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=255,
        help_text="a part of the file name or of the text alternative, in any case",
    )
    content_hash = serializers.RegexField(
        r"\A[0-9a-fA-F]{64}\Z", required=False, help_text="the SHA-256 of the file, in hexadecimal digits"
    )
    created_after = serializers.DateTimeField(required=False, help_text="only uploads sent later than this")
    ordering = serializers.ChoiceField(ORDERINGS, required=False, help_text="`-created_at` by default")

    def applied(self, uploads: UploadQuerySet) -> UploadQuerySet:
        """Return the uploads that match the filters."""
        wanted = self.validated_data
        if "status" in wanted:
            uploads = uploads.filter(status=wanted["status"])
        if "q" in wanted:
            # File names are stored in this form.
            text = normalize("NFC", wanted["q"])
            uploads = uploads.filter(Q(filename__icontains=text) | Q(alt__icontains=text))
        if "content_hash" in wanted:
            uploads = uploads.filter(original__content_hash=wanted["content_hash"].lower())
        if "created_after" in wanted:
            uploads = uploads.filter(created_at__gt=wanted["created_after"])
        return uploads


class NewestFirst(CursorPagination):
    """Cursor pages that stay stable while new rows are added."""

    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return one page.

        Raises `ValidationError` for a query parameter that the list does not have, and `NotFound` for an
        invalid cursor. A cursor may contain any value, and only the model field detects an invalid one.
        """
        known = {self.cursor_query_param, self.page_size_query_param, *getattr(view, "filter_parameters", ())}
        unknown = [name for name in request.query_params if name not in known]
        if unknown:
            raise ValidationError(
                {name: [_("This list does not support this parameter.")] for name in unknown}
            )
        try:
            return self._page(queryset, request, view)
        except (InvalidValue, ValueError, OverflowError):
            raise NotFound(self.invalid_cursor_message) from None

    def _page(self, queryset: Any, request: Request, view: Any) -> list[Any] | None:
        return super().paginate_queryset(queryset, request, view)


class UploadPages(NewestFirst):
    """Pages of uploads in the order that the request asks for.

    A cursor holds the order, and the sort value and the id of an upload. Django REST framework's holds only
    the value and counts the equal ones, at most a thousand, but any number of uploads may have the same name.
    """

    def _page(self, queryset: Any, request: Request, view: Any) -> list[Any] | None:
        self.base_url = request.build_absolute_uri()
        self._ordering = request.query_params.get("ordering", ORDERINGS[0])
        size = self.get_page_size(request) or self.page_size
        cursor = self.decode_cursor(request)
        backwards = bool(cursor and cursor.reverse)
        # The stubs take positions for numbers.
        position = cast("str | None", cursor.position) if cursor else None
        rows = self._sorted(queryset, position, backwards=backwards)
        found = list(rows[: size + 1])
        page, has_more = found[:size], len(found) > size
        if backwards:
            page.reverse()
        has_next, has_previous = (True, has_more) if backwards else (has_more, cursor is not None)
        self._next = self._cursor(page[-1], reverse=False) if page and has_next else None
        self._previous = self._cursor(page[0], reverse=True) if page and has_previous else None
        return page

    def get_next_link(self) -> str | None:
        """Return the URL of the next page, or None."""
        return self.encode_cursor(self._next) if self._next else None

    def get_previous_link(self) -> str | None:
        """Return the URL of the previous page, or None."""
        return self.encode_cursor(self._previous) if self._previous else None

    def _sorted(
        self, uploads: QuerySet[Upload], position: str | None, *, backwards: bool
    ) -> QuerySet[Upload]:
        """Return the uploads after a position, or those before it in reverse order."""
        field = self._ordering.removeprefix("-")
        descending = self._ordering.startswith("-") != backwards
        sign, further = ("-", "lt") if descending else ("", "gt")
        if position is not None:
            value, identity = self._parsed(position)
            uploads = uploads.filter(
                Q(**{f"{field}__{further}": value}) | Q(**{field: value, f"pk__{further}": identity}),
                # This repeats the condition in a form that can use an index.
                **{f"{field}__{further}e": value},
            )
        return uploads.order_by(f"{sign}{field}", f"{sign}pk")

    def _parsed(self, position: str) -> tuple[str | datetime, str]:
        """Return the sort value and the id of a position.

        Raises `ValueError` for text that is no position in this order.
        """
        match json.loads(position):
            case [self._ordering, str(value), str(identity)] if self._ordering.endswith("created_at"):
                return datetime.fromisoformat(value).astimezone(UTC), identity
            case [self._ordering, str(value), str(identity)]:
                return value, identity
        raise ValueError(f"{position!r} is no position in this order.")

    def _cursor(self, upload: Upload, *, reverse: bool) -> Cursor:
        value = getattr(upload, self._ordering.removeprefix("-"))
        text = value.isoformat() if isinstance(value, datetime) else cast("str", value)
        position = json.dumps([self._ordering, text, str(upload.pk)], ensure_ascii=False)
        return Cursor(offset=0, reverse=reverse, position=cast("Any", position))
