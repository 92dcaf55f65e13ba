"""The status page for staff: the state of the system, and failed uploads with a retry button."""

import logging
import uuid
from collections.abc import Callable, Iterator
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.views import redirect_to_login
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from processing import clock, renditions
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.garbage import generations
from processing.garbage.generations import GenerationDiffers
from processing.storages import disk_space
from uploads import services
from uploads.models import Report, Upload
from uploads.monitoring import processes, readiness, statistics
from uploads.monitoring.readiness import Readiness
from uploads.notices import reports
from uploads.problems import AGAIN

logger = logging.getLogger(__name__)

FAILURES_SHOWN = 50
# The number of failed uploads that one request retries, and the size of the parts in which it queues them.
# Queuing takes about a millisecond each. After a part for which the broker fails, no further part is queued.
RETRIES = 1000
_PART = 50

_View = Callable[..., HttpResponse]


def for_staff(view: _View) -> _View:
    """Admit staff, send visitors to sign in, answer others 404, and report an unavailable database."""

    @wraps(view)
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
        try:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not request.user.is_staff:
                raise Http404
            return view(request, **arguments)
        except DATABASE_UNAVAILABLE as error:
            # Without the database no user can be authenticated. `/readyz` reports as much to anyone.
            page = render_to_string("uploads/status_away.html", _without_database(error, told=""))
            return HttpResponse(
                page, status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": str(AGAIN)}
            )

    return guarded


@never_cache
@require_safe
@for_staff
def status(request: HttpRequest) -> HttpResponse:
    """Show the state of the system and the failed uploads."""
    context = _figures(told="") | _latest_report()
    if request.user.has_perm("uploads.view_upload"):
        context |= {"failures": list(statistics.failures()[:FAILURES_SHOWN]), "retries": RETRIES}
    return render(request, "uploads/status.html", context)


@never_cache
@require_safe
def status_figures(request: HttpRequest) -> HttpResponse:
    """Render the figures alone, which the page requests every few seconds.

    An unavailable database is reported with status 200. htmx would keep the old figures after an error.
    """
    told = request.GET.get("told", "")
    try:
        if not request.user.is_staff:
            raise Http404
        context = _figures(told=told)
    except DATABASE_UNAVAILABLE as error:
        context = _without_database(error, told=told)
    return HttpResponse(render_to_string("uploads/status_figures.html", context))


@require_POST
@for_staff
@permission_required("uploads.change_upload", raise_exception=True)
def retry(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """Reprocess a failed upload, but not as bulk work."""
    upload = statistics.failures().filter(pk=upload_id).first()
    if upload is None:
        messages.info(request, _("This image is no longer marked as failed."))
        return redirect("uploads:status")
    services.reprocess(uploads=[upload])
    messages.success(request, _("Reprocessing %(name)s.") % {"name": upload.filename})
    return redirect("uploads:status")


@require_POST
@for_staff
@permission_required("uploads.change_upload", raise_exception=True)
def retry_all(request: HttpRequest) -> HttpResponse:
    """Reprocess failed uploads as bulk work, newest first."""
    if not readiness.broker_answers():
        messages.error(request, _("The broker is unavailable. No image has been retried."))
        return redirect("uploads:status")
    number = _start_again(list(statistics.failures()[:RETRIES]))
    words = ngettext("Reprocessing %d image.", "Reprocessing %d images.", number)
    messages.success(request, words % number)
    return redirect("uploads:status")


def _start_again(failed: list[Upload]) -> int:
    """Queue uploads in parts while the broker accepts them. Return how many were retried."""
    for start in range(0, len(failed), _PART):
        part = failed[start : start + _PART]
        if services.reprocess(uploads=part, bulk=True):
            # The sweeper queues the rest of this part.
            return start + len(part)
    return len(failed)


def _latest_report() -> dict[str, Any]:
    report = Report.objects.first()
    return reports.shown(report) if report else {}


def _figures(*, told: str) -> dict[str, Any]:
    """Return the context of the figures. `told` names the alarms that the page already shows."""
    seen = readiness.look()
    if seen.problems["database"]:
        raise OperationalError(seen.problems["database"])
    by_status = statistics.uploads_by_status()
    storage = generations.state()
    problems = seen.problems | {"generation": str(GenerationDiffers()) if storage.differs else ""}
    ringing = " ".join(name for name, problem in problems.items() if problem)
    return {
        "now": clock.now(),
        "alarms": list(_alarms(problems, workers=bool(seen.workers))),
        "ringing": ringing,
        "loud": ringing != told,
        "statuses": [(name.label, by_status[name]) for name in Upload.Status],
        "failed": by_status[Upload.Status.FAILED],
        "waiting": sum(by_status[name] for name in Upload.UNFINISHED),
        "oldest_at": statistics.oldest_waiting_at(),
        "queues": list(_queue_lines(seen)),
        "workers": None if seen.workers is None else sorted(seen.workers),
        "beat_at": seen.beat_at,
        "processes": list(_process_lines(seen)),
        "throughput": statistics.throughput(),
        "notices": statistics.notices(),
        "storage": storage,
        "disks": disk_space.disks(),
    }


def _alarms(problems: dict[str, str], *, workers: bool) -> Iterator[tuple[str, str]]:
    """Yield a text and the error message for each problem."""
    words = {
        "database": _("The database is unavailable"),
        "writes": _("The database refuses changes"),
        "broker": _("The broker is unavailable"),
        "storage": _("The storage is unavailable"),
        "generation": _("Database and storage do not belong together"),
        "workers": _("Some queues have no worker") if workers else _("No workers are responding"),
        "beat": _("Beat is not responding"),
        "disk": _("The disk is almost full, so uploads are refused"),
        "redis": _("Redis is unavailable, so rate limits are not checked"),
        "presets": _("Some processes have outdated presets"),
    }
    return ((words[name], problem) for name, problem in problems.items() if problem)


def _queue_lines(seen: Readiness) -> Iterator[dict[str, Any]]:
    """Yield each queue with its depth and its workers. Unknown values are None."""
    for name in readiness.queues():
        depth = None if seen.depths is None else seen.depths[name]
        workers = None if seen.workers is None else _serving(seen.workers, name)
        yield {"name": name, "depth": depth, "workers": workers}


def _process_lines(seen: Readiness) -> Iterator[dict[str, Any]]:
    """Yield each running process with the names of the presets that differ from those of this one."""
    here = renditions.preset_fingerprints()
    for process in seen.running:
        yield {"process": process, "other": processes.differing(process.presets, here)}


def _serving(workers: dict[str, set[str]], queue: str) -> list[str]:
    return sorted(worker for worker, served in workers.items() if queue in served)


def _without_database(error: Exception, *, told: str) -> dict[str, Any]:
    logger.warning("The status is unknown because the database is unavailable: %s", error)
    return {
        # The database's own time is unknown too.
        "now": timezone.now(),
        "alarms": [(_("The database is unavailable"), error)],
        "ringing": "database",
        "loud": told != "database",
    }
