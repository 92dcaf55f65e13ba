"""The pages of a person's images: the gallery, and what is done to several at once."""

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from unicodedata import normalize

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from processing import refusals
from processing.conf import darkroom
from processing.errors import Refusal, TransientError
from uploads import services
from uploads.events import history
from uploads.models import Upload
from uploads.pages import listing
from uploads.pages.people import person_of
from uploads.receiving import quotas
from uploads.receiving.admission import admit, is_admitted
from uploads.receiving.form import HashedFile

# How many images one action is done to, and how many cards are drawn anew at once.
SELECTED = 500
CARDS_A_REQUEST = 60
# How many cards of the gallery are seen without scrolling, on a small screen.
SEEN_FIRST = 4

# What the scripts say; each is drawn into the page in the reader's language.
WORDS = {
    "waiting": gettext_lazy("waiting"),
    "sending": gettext_lazy("{percent} % · {speed}/s · {time}"),
    "checking": gettext_lazy("being checked"),
    "processing": gettext_lazy("processing"),
    "ready": gettext_lazy("ready"),
    "duplicate": gettext_lazy("already here"),
    "failed": gettext_lazy("failed: {why}"),
    "cancelled": gettext_lazy("cancelled"),
    "offline": gettext_lazy("no connection; it goes on when there is one"),
    "paused": gettext_lazy("the server asks to wait; it goes on in {time}"),
    "lost": gettext_lazy("The connection was lost. Try again."),
    "refused": gettext_lazy("The server answered with an error ({status}). Try again."),
    "tooLarge": gettext_lazy("{name} has {size}; at most {limit} are taken. Send a smaller version."),
    "chooseAgain": gettext_lazy("The page was closed before it was sent. Choose it again."),
    "resumed": gettext_lazy("Uploading goes on where it was left."),
    "cancel": gettext_lazy("Cancel"),
    "retry": gettext_lazy("Try again"),
    "remove": gettext_lazy("Remove from this list"),
    "of": gettext_lazy("{action}: {name}"),
    "overall": gettext_lazy("{done} of {total} sent · {percent} % · {time} left"),
    "overallDone": gettext_lazy("{done} of {total} sent"),
    "someFailed": gettext_lazy("{count} failed"),
    "fold": gettext_lazy("Fold"),
    "unfold": gettext_lazy("Unfold"),
    "progress": gettext_lazy("{percent} % sent"),
    "complete": gettext_lazy("Complete: {done} sent, {failed} failed."),
    "many": gettext_lazy("{count} images have changed."),
    "seconds": gettext_lazy("{count} s"),
    "minutes": gettext_lazy("{count} min"),
    "hours": gettext_lazy("{count} h"),
    "selected": gettext_lazy("{count} selected"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """What the card of an upload shows: a rendition of this preset, none while it is "".

    `is_first` tells that it is among those that are seen without scrolling.
    """

    upload: Upload
    preset: str
    is_first: bool = False

    @property
    def loading(self) -> str:
        """Return when a browser fetches the picture: at once where it is seen first."""
        return "eager" if self.is_first else "lazy"

    @property
    def color(self) -> str:
        """Return the colour behind the picture, or "" before its thumbnails are ready."""
        return self.upload.original.color if self.upload.thumbnails_ready_at else ""

    @property
    def thumbhash(self) -> str:
        """Return the ThumbHash of the picture, or "" before its thumbnails are ready."""
        return self.upload.original.thumbhash if self.upload.thumbnails_ready_at else ""

    @property
    def news(self) -> str:
        """Return the announcement of the finished upload, or "" while it is unfinished."""
        if self.upload.is_unfinished:
            return ""
        return f"{self.upload.filename}: {self.upload.get_status_display()}"

    @property
    def reason(self) -> str:
        """Return the reason for the failure, or "" if the upload has not failed."""
        return self.upload.failure if self.upload.error_detail else ""

    @property
    def position(self) -> listing.Position:
        """Return where it stands among the others."""
        return listing.Position.of(self.upload)

    @property
    def shape(self) -> int:
        """Return which shape it has."""
        return listing.shape_of(self.upload.original)

    @property
    def sizes(self) -> str:
        """Return how wide the card is, for a browser to choose what to fetch."""
        original = self.upload.original
        width = max(1, round(listing.ROW_HEIGHT * original.width / original.height))
        return f"(max-width: 32rem) {max(1, round(width * 0.6))}px, {width}px"


class RestoreForm(forms.Form):
    """Which act of deletion is taken back."""

    deleted_at = forms.DateTimeField()


@csrf_exempt
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """Show a person's images, and take the files of the form.

    The files are read here, before the check against forgery would read them, so that one that
    is too large is told in words.
    """
    try:
        files = cast("list[HashedFile]", request.FILES.getlist("file"))
    except Refusal as refusal:
        messages.error(
            request, _("%(why)s Nothing of this batch was taken.") % {"why": refusals.sentence(refusal)}
        )
        return redirect("uploads:home")
    return _home(request, files)


@csrf_protect
@cache_control(private=True, no_cache=True)
def _home(request: HttpRequest, files: list[HashedFile]) -> HttpResponse:
    if request.method == "POST":
        _receive(request, files)
        return redirect("uploads:home")
    return _gallery(request)


@gzip_page
def _gallery(request: HttpRequest) -> HttpResponse:
    # Asked before the cards: what happens in between comes by the stream.
    last_event = history.newest(owner_id=person_of(request).pk)
    filters = _filters(request)
    page = listing.page_of(Upload.objects.shown().filter(owner=person_of(request)), filters)
    cards = make_cards(page.uploads, first=SEEN_FIRST)
    context = {
        "page": page,
        "cards": cards,
        "filters": filters,
        "last_event": last_event,
        "upload_limit": darkroom().max_upload_bytes,
        "usage": quotas.usage_of(person_of(request)),
        "nobody": uuid.UUID(int=0),  # the scripts put an id in its place
        "unfinished": any(card.upload.is_unfinished for card in cards),
        "statuses": Upload.Status.choices,
        "visibilities": Upload.Visibility.choices,
        "words": {name: str(words) for name, words in WORDS.items()},
    }
    return render(request, "uploads/home.html", context)


def _filters(request: HttpRequest) -> listing.Filters:
    """Return what the address asks for; what it says wrongly is left out."""
    status, before = request.GET.get("status", ""), request.GET.get("before", "")
    try:
        position = listing.Position.parse(before) if before else None
    except ValueError:
        position = None
    return listing.Filters(
        status=status if status in Upload.Status.values else "",
        name=normalize("NFC", request.GET.get("q", "").replace("\0", "").strip()),
        before=position,
    )


@login_required
@require_GET
@never_cache
@gzip_page
def cards(request: HttpRequest) -> HttpResponse:
    """Draw the cards of the uploads named by `id`, those of other people and deleted ones left out."""
    uploads = _named(request, request.GET.getlist("id")[:CARDS_A_REQUEST])
    return render(request, "uploads/cards.html", {"cards": make_cards(uploads)})


@login_required
@require_POST
def act_on_selected(request: HttpRequest, action: str) -> HttpResponse:
    """Reprocess, delete or restore several uploads, or change who may see them."""
    act = _ACTIONS.get(action)
    if act is None:
        raise Http404
    uploads = list(_named(request, request.POST.getlist("id")[:SELECTED]))
    if uploads:
        act(request, uploads)
    else:
        messages.warning(request, _("Select at least one image first."))
    return answer_to_action(request, uploads)


@login_required
@require_POST
def restore(request: HttpRequest) -> HttpResponse:
    """Take back a deletion: of all that a person deleted in the one act that `deleted_at` names."""
    form = RestoreForm(request.POST)
    restored = (
        services.restore_uploads(owner=person_of(request), **form.cleaned_data) if form.is_valid() else []
    )
    if restored:
        words = ngettext("%d image is back.", "%d images are back.", len(restored))
        messages.success(request, words % len(restored))
    else:
        messages.error(request, _("It is too late: what was deleted is gone."))
    return answer_to_action(request, restored)


def answer_to_action(request: HttpRequest, uploads: Sequence[Upload]) -> HttpResponse:
    """Answer a form with the gallery, or htmx with the messages and the ids of what has changed."""
    if request.headers.get("HX-Request") != "true":
        return redirect("uploads:home")
    changed = {"uploads-changed": {"ids": [str(upload.pk) for upload in uploads]}}
    answer = render(request, "uploads/messages.html")
    answer.headers["HX-Trigger"] = json.dumps(changed)
    return answer


def make_cards(uploads: Iterable[Upload], *, first: int = 0) -> list[Card]:
    """Return what the cards of these uploads show, of which the first ones are seen first."""
    return [
        Card(upload=upload, preset=listing.card_preset(upload), is_first=number < first)
        for number, upload in enumerate(uploads)
    ]


def tell_deleted(request: HttpRequest, uploads: Sequence[Upload]) -> None:
    """Delete uploads in one act, and tell so with a way back."""
    deleted_at = services.delete_uploads(uploads=uploads)
    words = ngettext("%d image is deleted.", "%d images are deleted.", len(uploads)) % len(uploads)
    messages.success(request, words, extra_tags=deleted_at.isoformat())


def _reprocess(request: HttpRequest, uploads: Sequence[Upload]) -> None:
    services.reprocess(uploads=uploads)
    words = ngettext("%d image is processed again.", "%d images are processed again.", len(uploads))
    messages.success(request, words % len(uploads))


def _show_to(visibility: Upload.Visibility) -> Callable[[HttpRequest, Sequence[Upload]], None]:
    def change(request: HttpRequest, uploads: Sequence[Upload]) -> None:
        for upload in uploads:
            services.update_upload(upload=upload, visibility=visibility)
        words = ngettext("%(count)d image: %(who)s.", "%(count)d images: %(who)s.", len(uploads))
        messages.success(request, words % {"count": len(uploads), "who": visibility.label})

    return change


_ACTIONS: dict[str, Callable[[HttpRequest, Sequence[Upload]], None]] = {
    "reprocess": _reprocess,
    "delete": tell_deleted,
    "private": _show_to(Upload.Visibility.PRIVATE),
    "unlisted": _show_to(Upload.Visibility.UNLISTED),
}


def _receive(request: HttpRequest, files: list[HashedFile]) -> None:
    """Take each file of the form and tell, file by file, what became of it."""
    visibility = request.POST.get("visibility")
    if visibility not in Upload.Visibility.values:
        visibility = Upload.Visibility.UNLISTED
    if not files:
        messages.warning(request, _("Choose at least one image first."))
    for number, file in enumerate(files):
        # The guard has counted one file, for it did not know how many there are.
        if not (is_admitted(request) and number == 0) and not _admit(request, file):
            return
        _receive_one(request, file, visibility)


def _admit(request: HttpRequest, file: HashedFile) -> bool:
    """Tell whether this file and what follows may be sent now; say so where not."""
    try:
        admit(person=person_of(request), address=request.META["REMOTE_ADDR"], byte_size=file.size or 0)
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
        return False
    return True


def _receive_one(request: HttpRequest, file: HashedFile, visibility: str) -> None:
    name = {"name": file.name}
    try:
        received = services.receive_upload(owner=person_of(request), file=file, visibility=visibility)
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
    except TransientError:
        messages.error(request, _("%(name)s could not be stored just now. Send it again.") % name)
    else:
        words = _("%(name)s is already here.") if received.duplicate else _("%(name)s is uploaded.")
        messages.success(request, words % name)


def _named(request: HttpRequest, texts: Iterable[str]) -> QuerySet[Upload]:
    return _own(request, [identity for text in texts if (identity := _uuid(text))])


def _own(request: HttpRequest, ids: list[uuid.UUID]) -> QuerySet[Upload]:
    return Upload.objects.shown().filter(owner=person_of(request)).filter(pk__in=ids)


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
