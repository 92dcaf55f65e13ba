"""Focuses: the points that people want crops to look at; what nobody wants any more goes.

An original is rendered once more for each of its points, whoever wants them. Whoever changes them
holds the original's row, as a step does that ends.
"""

from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from processing import configuration, renditions
from processing.models import Focus, Original, Rendition
from processing.presets import AUTOMATIC
from uploads.models import Upload


def choose(upload: Upload, point: str) -> None:
    """Let an upload's crops look at the point; drop those of the original that nobody wants any more.

    Call it in a transaction that holds the original's row.
    """
    upload.focus = None
    if point != AUTOMATIC:
        upload.focus, _ = Focus.objects.get_or_create(original_id=upload.original_id, point=point)
    upload.save(update_fields=["focus"])
    _unnamed().filter(original=upload.original_id).delete()


def drop_unwanted() -> None:
    """Drop the points that no upload names any more, and the renditions of points that are gone.

    Where somebody waits for an original, what was rendered stays until its successors are there.
    """
    for original_id in list(_with_unwanted().values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            original = Original.objects.select_for_update().filter(pk=original_id).first()
            if original is not None:
                _unnamed().filter(original=original).delete()
                unused = renditions.drop_unwanted(original, configuration.presets())
                transaction.on_commit(partial(renditions.delete_unused, original, unused))


def _unnamed() -> QuerySet[Focus]:
    # Those of deleted uploads stay until these are purged: they may be restored.
    return Focus.objects.filter(uploads=None)


def _with_unwanted() -> QuerySet[Original]:
    """Return the originals that have points or renditions to drop."""
    wanted = Focus.objects.filter(original=OuterRef("original"), point=OuterRef("focus"))
    orphans = Rendition.objects.exclude(focus=AUTOMATIC).filter(~Exists(wanted))
    waiting = Upload.objects.filter(original=OuterRef("pk"), status__in=Upload.UNFINISHED, deleted_at=None)
    found = {*_unnamed().values_list("original", flat=True), *orphans.values_list("original", flat=True)}
    return Original.objects.filter(~Exists(waiting), pk__in=found)
