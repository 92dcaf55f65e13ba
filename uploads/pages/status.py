"""The status page: how the system is, for staff, and what has failed, to be tried again."""

import logging
import uuid
from collections.abc import Callable, Iterator
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from uploads import services
from uploads.models import Upload
from uploads.monitoring import readiness, statistics
from uploads.monitoring.readiness import Readiness

logger = logging.getLogger(__name__)

FAILURES_SHOWN = 50
# How many one press of the button starts again at most, and in parts of how many: publishing takes about
# a millisecond each, and the part that finds the broker gone is the last.
RETRIES = 1000
_PART = 50

_View = Callable[..., HttpResponse]
_DATABASE_AWAY = (OperationalError, InterfaceError)


def for_staff(view: _View) -> _View:
    """Let staff in, send visitors to sign in, show others nothing; tell when the database is away."""

    @wraps(view)
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
        try:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not request.user.is_staff:
                raise Http404
            return view(request, **arguments)
        except _DATABASE_AWAY as error:
            # Without it nobody is known: this much is told to anybody, as `/readyz` does.
            page = render_to_string("uploads/status_away.html", _without_database(error, told=""))
            return HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)

    return guarded


@never_cache
@require_safe
@for_staff
def status(request: HttpRequest) -> HttpResponse:
    """Show how the system is, and what has failed."""
    context = _figures(told="")
    if request.user.has_perm("uploads.view_upload"):
        context |= {"failures": list(statistics.failures()[:FAILURES_SHOWN]), "retries": RETRIES}
    return render(request, "uploads/status.html", context)


@never_cache
@require_safe
def status_figures(request: HttpRequest) -> HttpResponse:
    """Draw the figures alone, for the page that asks every few seconds.

    It is always drawn for the page that shows it: what is no answer would leave old figures standing there.
    """
    told = request.GET.get("told", "")
    try:
        if not request.user.is_staff:
            raise Http404
        context = _figures(told=told)
    except _DATABASE_AWAY as error:
        context = _without_database(error, told=told)
    return HttpResponse(render_to_string("uploads/status_figures.html", context))


@require_POST
@for_staff
@permission_required("uploads.change_upload", raise_exception=True)
def retry(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """Process a failed upload again, before all that nobody waits for."""
    upload = statistics.failures().filter(pk=upload_id).first()
    if upload is None:
        messages.info(request, _("This image has not failed any more."))
        return redirect("uploads:status")
    services.reprocess(uploads=[upload])
    messages.success(request, _("%(name)s is being processed again.") % {"name": upload.filename})
    return redirect("uploads:status")


@require_POST
@for_staff
@permission_required("uploads.change_upload", raise_exception=True)
def retry_all(request: HttpRequest) -> HttpResponse:
    """Process failed uploads again, the newest first, behind what people wait for."""
    if not readiness.broker_answers():
        messages.error(request, _("The broker is away, so nothing has been started again."))
        return redirect("uploads:status")
    number = _start_again(list(statistics.failures()[:RETRIES]))
    words = ngettext("%d image is processed again.", "%d images are processed again.", number)
    messages.success(request, words % number)
    return redirect("uploads:status")


def _start_again(failed: list[Upload]) -> int:
    """Queue these uploads part by part, as long as the broker takes them; return how many."""
    for start in range(0, len(failed), _PART):
        part = failed[start : start + _PART]
        if services.reprocess(uploads=part, bulk=True):
            # The sweeper queues what this part could not.
            return start + len(part)
    return len(failed)


def _figures(*, told: str) -> dict[str, Any]:
    """Return what the page shows; `told` names the alarms that it shows already."""
    seen = readiness.look()
    if seen.problems["database"]:
        raise OperationalError(seen.problems["database"])
    by_status = statistics.uploads_by_status()
    ringing = " ".join(name for name, problem in seen.problems.items() if problem)
    return {
        "now": timezone.now(),
        "alarms": list(_alarms(seen)),
        "ringing": ringing,
        "loud": ringing != told,
        "statuses": [(name.label, by_status[name]) for name in Upload.Status],
        "failed": by_status[Upload.Status.FAILED],
        "waiting": sum(by_status[name] for name in Upload.UNFINISHED),
        "oldest_at": statistics.oldest_waiting_at(),
        "queues": list(_queue_lines(seen)),
        "workers": None if seen.workers is None else sorted(seen.workers),
        "beat_at": seen.beat_at,
        "throughput": statistics.throughput(),
        "notices": statistics.notices(),
    }


def _alarms(seen: Readiness) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, in words, with what the part itself says."""
    words = {
        "database": _("The database is away"),
        "broker": _("The broker is away"),
        "storage": _("The storage is away"),
        "workers": _("Not every queue has a worker") if seen.workers else _("No worker is known to be alive"),
        "beat": _("Beat is silent"),
    }
    return ((words[name], problem) for name, problem in seen.problems.items() if problem)


def _queue_lines(seen: Readiness) -> Iterator[dict[str, Any]]:
    """Yield each queue with how many wait there and who serves it, None where that cannot be told."""
    for name in readiness.queues():
        depth = None if seen.depths is None else seen.depths[name]
        workers = None if seen.workers is None else _serving(seen.workers, name)
        yield {"name": name, "depth": depth, "workers": workers}


def _serving(workers: dict[str, set[str]], queue: str) -> list[str]:
    return sorted(worker for worker, served in workers.items() if queue in served)


def _without_database(error: Exception, *, told: str) -> dict[str, Any]:
    logger.warning("The status cannot be told, the database is away: %s", error)
    return {
        "now": timezone.now(),
        "alarms": [(_("The database is away"), error)],
        "ringing": "database",
        "loud": told != "database",
    }
