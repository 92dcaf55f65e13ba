"""Lookups that fetch the pictures of many rows with two queries."""

from __future__ import annotations

from django.db.models import Prefetch

from uploads.models import Upload


def picture_lookups(*names: str) -> list[Prefetch[str]]:
    """Return the lookups that fetch these picture fields, with all that `{% picture %}` shows.

    A name may lead through other relations, as in `article__photo`.
    """
    return [Prefetch(name, Upload.objects.with_renditions()) for name in names]
