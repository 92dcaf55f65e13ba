"""Notices on the pages: the bell with its count, the latest ones, and all of them."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from uploads.notices import inbox
from uploads.pages.people import person_of

LATEST = 8
NOTICES_A_PAGE = 50


@login_required
@require_safe
@never_cache
def notices(request: HttpRequest) -> HttpResponse:
    """List a person's notices, newest first."""
    found = inbox.inbox(person_of(request)).select_related("event__upload")
    page = Paginator(found, NOTICES_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "uploads/notices.html", {"page": page})


@login_required
@require_safe
@never_cache
def latest(request: HttpRequest) -> HttpResponse:
    """Draw what the bell opens."""
    newest = inbox.inbox(person_of(request)).select_related("event__upload")[:LATEST]
    return render(request, "uploads/latest_notices.html", {"notices": newest})


@login_required
@require_safe
@never_cache
def unread(request: HttpRequest) -> HttpResponse:
    """Draw how many notices have not been read."""
    return render(request, "uploads/unread.html")


@login_required
@require_POST
def read(request: HttpRequest) -> HttpResponse:
    """Note that a person has read all notices."""
    inbox.mark_read(person=person_of(request))
    if request.headers.get("HX-Request") == "true":
        return render(request, "uploads/unread.html")
    return redirect("uploads:notices")
