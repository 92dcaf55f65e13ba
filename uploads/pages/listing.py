"""The listing of the gallery: filters, order and pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.http import urlencode

from processing.models import Original
from uploads.models import Upload

PAGE_SIZE = 60
# The height of a gallery row on a wide screen, in pixels. A browser chooses a rendition by it.
ROW_HEIGHT = 200
_SHAPES = 33


class Position(NamedTuple):
    """A position in the gallery: that of an upload, which may have been deleted since."""

    created_at: datetime
    upload_id: UUID

    def __str__(self) -> str:
        moment = self.created_at.astimezone(UTC)
        return f"{int(moment.timestamp())}.{moment.microsecond:06}-{self.upload_id.hex}"

    @classmethod
    def of(cls, upload: Upload) -> "Position":
        """Return the position of an upload."""
        return cls(upload.created_at, upload.pk)

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Return the position from the text that `str` returns.

        Raises `ValueError`.
        """
        moment, _, identity = text.partition("-")
        seconds, _, microseconds = moment.partition(".")
        try:
            created_at = datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(microseconds))
        except (OverflowError, OSError) as error:
            raise ValueError(f"{text!r} is no position.") from error
        return cls(created_at, UUID(identity))


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a gallery page: a status, a part of the file name, and the position that precedes it."""

    status: str = ""
    name: str = ""
    before: Position | None = None

    @property
    def is_narrowed(self) -> bool:
        """Return whether the page is filtered by status or name."""
        return bool(self.status or self.name)

    def applied(self, uploads: QuerySet[Upload]) -> QuerySet[Upload]:
        """Return the uploads that match the filters, newest first."""
        if self.status:
            uploads = uploads.filter(status=self.status)
        if self.name:
            uploads = uploads.filter(filename__icontains=self.name)
        if self.before:
            created_at, upload_id = self.before
            uploads = uploads.filter(
                Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=upload_id),
                # This repeats the condition in a form that can use an index.
                created_at__lte=created_at,
            )
        return uploads.order_by("-created_at", "-pk")

    def query(self, *, before: Position | None = None) -> str:
        """Return the query string of the page that starts after a position."""
        fields = {"status": self.status, "q": self.name, "before": str(before) if before else ""}
        return urlencode({name: value for name, value in fields.items() if value})


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the gallery: its uploads, and the query string of itself and of the next one, if any."""

    uploads: Sequence[Upload]
    query: str
    next_query: str


def page_of(uploads: QuerySet[Upload], filters: Filters) -> Page:
    """Return one page of the uploads that match the filters."""
    rows = list(filters.applied(uploads)[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    following = filters.query(before=Position.of(shown[-1])) if len(rows) > PAGE_SIZE else ""
    return Page(uploads=shown, query=filters.query(before=filters.before), next_query=following)


def shape_of(original: Original) -> int:
    """Return the number of the shape in `darkroom.css` nearest to the original's aspect ratio.

    Shape 0 is twice as high as wide. Each shape is 6 % wider than the one before, which is not visible.
    The gallery crops more extreme images. A CSS class gives a card its shape before any script runs, without
    inline styles.
    """
    return min(max(0, round(log(original.width / original.height / 0.5, 1.06))), _SHAPES - 1)
