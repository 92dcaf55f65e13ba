"""The gallery of a person's images, with the upload form and the actions on selected images."""

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from unicodedata import normalize

from django import forms
from django.contrib import messages
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
from uploads.owners import owner_of, sender_of
from uploads.pages import listing
from uploads.pages.people import acting_owner, may_act, owner_required, sender_required
from uploads.receiving import form, quotas, unparsed
from uploads.receiving.admission import admit, is_admitted
from uploads.receiving.form import HashedFile
from uploads.receiving.rate_limits import Action
from uploads.serving import responsive

# The limits of images per action, and of cards per request.
SELECTED = 500
CARDS_A_REQUEST = 60
# The number of cards that a small screen shows without scrolling.
SEEN_FIRST = 4

# The texts of the scripts. The page contains them in the person's language.
WORDS = {
    "waiting": gettext_lazy("waiting"),
    "sending": gettext_lazy("{percent} % · {speed}/s · {time}"),
    "checking": gettext_lazy("checking…"),
    "processing": gettext_lazy("processing"),
    "ready": gettext_lazy("ready"),
    "duplicate": gettext_lazy("already uploaded"),
    "failed": gettext_lazy("failed: {why}"),
    "cancelled": gettext_lazy("cancelled"),
    "offline": gettext_lazy("No connection. Uploads resume when you reconnect."),
    "paused": gettext_lazy("The server is busy. Resuming in {time}."),
    "lost": gettext_lazy("The connection was lost. Try again."),
    "refused": gettext_lazy("The server answered with an error ({status}). Try again."),
    "tooLarge": gettext_lazy("{name} is {size}; the limit is {limit}. Choose a smaller version."),
    "chooseAgain": gettext_lazy("The page was closed before this file was uploaded. Choose the file again."),
    "resumed": gettext_lazy("Resuming unfinished uploads."),
    "cancel": gettext_lazy("Cancel"),
    "retry": gettext_lazy("Try again"),
    "remove": gettext_lazy("Remove from list"),
    "of": gettext_lazy("{action}: {name}"),
    "overall": gettext_lazy("{done} of {total} uploaded · {percent} % · {time} left"),
    "overallDone": gettext_lazy("{done} of {total} uploaded"),
    "someFailed": gettext_lazy("{count} failed"),
    "fold": gettext_lazy("Collapse"),
    "unfold": gettext_lazy("Expand"),
    "progress": gettext_lazy("{percent} % uploaded"),
    "complete": gettext_lazy("Finished: {done} uploaded, {failed} failed."),
    "many": gettext_lazy("{count} images have changed."),
    "seconds": gettext_lazy("{count} s"),
    "minutes": gettext_lazy("{count} min"),
    "hours": gettext_lazy("{count} h"),
    "selected": gettext_lazy("{count} selected"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """The content of an upload's card.

    The card shows a rendition of `preset`, or none if that is "". `is_first` means that it is visible
    without scrolling.
    """

    upload: Upload
    preset: str
    is_first: bool = False

    @property
    def loading(self) -> str:
        """Return `eager` if the card is visible without scrolling, else `lazy`."""
        return "eager" if self.is_first else "lazy"

    @property
    def color(self) -> str:
        """Return the colour behind the picture, or "" if none is shown."""
        return self.upload.original.color if self._is_shown else ""

    @property
    def thumbhash(self) -> str:
        """Return the ThumbHash of the picture, or "" if none is shown."""
        return self.upload.original.thumbhash if self._is_shown else ""

    @property
    def _is_shown(self) -> bool:
        return bool(self.upload.thumbnails_ready_at) and not self.upload.taken_down_at

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
        """Return the position of the upload in the gallery."""
        return listing.Position.of(self.upload)

    @property
    def shape(self) -> int:
        """Return the number of the card's aspect ratio class in `darkroom.css`."""
        return listing.shape_of(self.upload.original)

    @property
    def sizes(self) -> str:
        """Return the `sizes` attribute: the width of the card, by which a browser chooses a rendition."""
        original = self.upload.original
        width = max(1, round(listing.ROW_HEIGHT * original.width / original.height))
        return f"(max-width: 32rem) {max(1, round(width * 0.6))}px, {width}px"


class DeletedForm(forms.Form):
    """The form that undoes one deletion, or makes it final."""

    deleted_at = forms.DateTimeField()


@csrf_exempt
@sender_required
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """Show an owner's images, and receive the files of the form.

    The files are read before the CSRF check reads them, so that the refusal of a file that is too large, or
    of too many files, can be shown as a message.
    """
    form.prepare(request)
    try:
        files = cast("list[HashedFile]", request.FILES.getlist("file"))
    except (Refusal, *unparsed.ERRORS) as error:
        refusal = error if isinstance(error, Refusal) else unparsed.refusal_of(error)
        messages.error(
            request, _("%(why)s None of these files were uploaded.") % {"why": refusals.sentence(refusal)}
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
    # A visitor has no owner before the first image.
    owner = owner_of(request)
    # This is read before the cards, so that the event stream reports any later change.
    last_event = history.newest(owner_id=owner.pk) if owner else 0
    filters = _filters(request)
    own = Upload.objects.shown().filter(owner=owner) if owner else Upload.objects.none()
    page = listing.page_of(own, filters)
    cards = make_cards(page.uploads, first=SEEN_FIRST)
    context = {
        "page": page,
        "cards": cards,
        "filters": filters,
        "last_event": last_event,
        "upload_limit": darkroom().max_upload_bytes,
        "usage": quotas.usage_of(owner) if owner else None,
        "nobody": uuid.UUID(int=0),  # the scripts replace it with an upload's id
        "unfinished": any(card.upload.is_unfinished for card in cards),
        "statuses": Upload.Status.choices,
        "visibilities": Upload.Visibility.choices,
        "words": {name: str(words) for name, words in WORDS.items()},
    }
    return render(request, "uploads/home.html", context)


def _filters(request: HttpRequest) -> listing.Filters:
    """Return the filters of the query string. Invalid values are ignored."""
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


@owner_required
@require_GET
@never_cache
@gzip_page
def cards(request: HttpRequest) -> HttpResponse:
    """Render the cards of the person's uploads named by `id`, except deleted ones."""
    uploads = _named(request, request.GET.getlist("id")[:CARDS_A_REQUEST])
    return render(request, "uploads/cards.html", {"cards": make_cards(uploads)})


@owner_required
@require_POST
def act_on_selected(request: HttpRequest, action: str) -> HttpResponse:
    """Reprocess or delete several uploads, or change their visibility."""
    act = _ACTIONS.get(action)
    if act is None:
        raise Http404
    uploads = list(_named(request, request.POST.getlist("id")[:SELECTED]))
    if not uploads:
        messages.warning(request, _("Select at least one image first."))
    elif may_act(request, Action.REPROCESS if action == "reprocess" else Action.CHANGE, len(uploads)):
        act(request, uploads)
    return answer_to_action(request, uploads)


@owner_required
@require_POST
def restore(request: HttpRequest) -> HttpResponse:
    """Restore all uploads that the person deleted in one action, which `deleted_at` identifies."""
    deleted_at = _deleted_at(request)
    if not may_act(request, Action.CHANGE):
        return answer_to_action(request, [])
    restored = (
        services.restore_uploads(owner=acting_owner(request), deleted_at=deleted_at) if deleted_at else []
    )
    if restored:
        words = ngettext("%d image restored.", "%d images restored.", len(restored))
        messages.success(request, words % len(restored))
    else:
        messages.error(
            request, _("Nothing to restore: the images are deleted for good, or were uploaded again.")
        )
    return answer_to_action(request, restored)


@owner_required
@require_POST
def purge(request: HttpRequest) -> HttpResponse:
    """Delete for good all uploads that the person deleted in one action, which `deleted_at` identifies."""
    deleted_at = _deleted_at(request)
    if not may_act(request, Action.CHANGE):
        return answer_to_action(request, [])
    number = services.purge_uploads(owner=acting_owner(request), deleted_at=deleted_at) if deleted_at else 0
    if number:
        words = ngettext("%d image deleted for good.", "%d images deleted for good.", number)
        messages.success(request, words % number)
    else:
        messages.error(request, _("There is nothing to delete for good."))
    return answer_to_action(request, [])


def answer_to_action(request: HttpRequest, uploads: Sequence[Upload]) -> HttpResponse:
    """Redirect a form to the gallery. Answer htmx with the messages and the ids of the changed uploads."""
    if request.headers.get("HX-Request") != "true":
        return redirect("uploads:home")
    changed = {"uploads-changed": {"ids": [str(upload.pk) for upload in uploads]}}
    answer = render(request, "uploads/messages.html")
    answer.headers["HX-Trigger"] = json.dumps(changed)
    return answer


def make_cards(uploads: Iterable[Upload], *, first: int = 0) -> list[Card]:
    """Return the cards of uploads. The first `first` cards are visible without scrolling."""
    return [
        Card(upload=upload, preset=responsive.preview_preset(upload), is_first=number < first)
        for number, upload in enumerate(uploads)
    ]


def tell_deleted(request: HttpRequest, uploads: Sequence[Upload]) -> None:
    """Delete uploads in one action, and show a message with buttons that undo it or make it final."""
    deleted_at = services.delete_uploads(uploads=uploads)
    words = ngettext("%d image deleted.", "%d images deleted.", len(uploads)) % len(uploads)
    messages.success(request, words, extra_tags=deleted_at.isoformat())


def _reprocess(request: HttpRequest, uploads: Sequence[Upload]) -> None:
    services.reprocess(uploads=uploads)
    words = ngettext("Reprocessing %d image.", "Reprocessing %d images.", len(uploads))
    messages.success(request, words % len(uploads))


def _show_to(visibility: Upload.Visibility) -> Callable[[HttpRequest, Sequence[Upload]], None]:
    def change(request: HttpRequest, uploads: Sequence[Upload]) -> None:
        for upload in uploads:
            services.update_upload(upload=upload, visibility=visibility)
        number = len(uploads)
        if visibility == Upload.Visibility.PRIVATE:
            words = ngettext("%d image is now private.", "%d images are now private.", number)
        else:
            words = ngettext(
                "%d image can now be opened by anyone with the link.",
                "%d images can now be opened by anyone with the link.",
                number,
            )
        messages.success(request, words % number)

    return change


_ACTIONS: dict[str, Callable[[HttpRequest, Sequence[Upload]], None]] = {
    "reprocess": _reprocess,
    "delete": tell_deleted,
    "private": _show_to(Upload.Visibility.PRIVATE),
    "unlisted": _show_to(Upload.Visibility.UNLISTED),
}


def _receive(request: HttpRequest, files: list[HashedFile]) -> None:
    """Receive each file of the form, and show a message for each."""
    visibility = request.POST.get("visibility")
    if visibility not in Upload.Visibility.values:
        visibility = Upload.Visibility.UNLISTED
    if not files:
        messages.warning(request, _("Choose at least one image first."))
    for number, file in enumerate(files):
        # The body guard has admitted one file, because it cannot know how many the request contains.
        if not (is_admitted(request) and number == 0) and not _admit(request, file):
            return
        _receive_one(request, file, visibility)


def _admit(request: HttpRequest, file: HashedFile) -> bool:
    """Return whether this file is admitted. If it is not, show the refusal."""
    try:
        admit(person=owner_of(request), address=request.META["REMOTE_ADDR"], byte_size=file.size or 0)
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
        return False
    return True


def _receive_one(request: HttpRequest, file: HashedFile, visibility: str) -> None:
    name = {"name": file.name}
    owner: Any = sender_of(request)  # `sender_required` lets no other request pass
    try:
        received = services.receive_upload(owner=owner, file=file, visibility=visibility)
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
    except TransientError:
        messages.error(request, _("%(name)s could not be stored. Upload it again.") % name)
    else:
        words = _("%(name)s is already uploaded.") if received.duplicate else _("%(name)s uploaded.")
        messages.success(request, words % name)


def _deleted_at(request: HttpRequest) -> datetime | None:
    """Return the time that identifies a deletion, or None if the form has no valid one."""
    form = DeletedForm(request.POST)
    return form.cleaned_data["deleted_at"] if form.is_valid() else None


def _named(request: HttpRequest, texts: Iterable[str]) -> QuerySet[Upload]:
    return _own(request, [identity for text in texts if (identity := _uuid(text))])


def _own(request: HttpRequest, ids: list[uuid.UUID]) -> QuerySet[Upload]:
    return Upload.objects.shown().filter(owner=acting_owner(request)).filter(pk__in=ids)


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
