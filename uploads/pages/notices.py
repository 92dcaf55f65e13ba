"""The notices: the bell with its count, the latest notices, and the page of all notices."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from uploads.notices import inbox
from uploads.pages.people import acting_owner, owner_required

LATEST = 8
NOTICES_A_PAGE = 50


@owner_required
@require_safe
@never_cache
def notices(request: HttpRequest) -> HttpResponse:
    """List a person's notices, newest first."""
    found = inbox.inbox(acting_owner(request)).select_related("event__upload")
    page = Paginator(found, NOTICES_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "uploads/notices.html", {"page": page})


@owner_required
@require_safe
@never_cache
def latest(request: HttpRequest) -> HttpResponse:
    """Render the latest notices, which the bell shows."""
    newest = inbox.inbox(acting_owner(request)).select_related("event__upload")[:LATEST]
    return render(request, "uploads/latest_notices.html", {"notices": newest})


@owner_required
@require_safe
@never_cache
def unread(request: HttpRequest) -> HttpResponse:
    """Render the number of unread notices."""
    return render(request, "uploads/unread.html")


@owner_required
@require_POST
def read(request: HttpRequest) -> HttpResponse:
    """Mark all notices of a person as read."""
    inbox.mark_read(person=acting_owner(request))
    if request.headers.get("HX-Request") == "true":
        return render(request, "uploads/unread.html")
    return redirect("uploads:notices")
