"""The pages: what a person sees and can do without a script."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from processing.errors import Refusal, TransientError
from processing.models import Rendition
from uploads import accounts, events, notifications, preferences, services
from uploads.handlers import HashedFile
from uploads.models import Event, Preferences, Step, Upload

CARDS_A_PAGE = 24
NOTICES = 8

# What the script says; each is drawn into the page in the reader's language.
WORDS = {
    "waiting": gettext_lazy("waiting"),
    "uploading": gettext_lazy("uploading {percent} %"),
    "processing": gettext_lazy("processing"),
    "duplicate": gettext_lazy("already here"),
    "duplicateNews": gettext_lazy("{name} is already here."),
    "failed": gettext_lazy("failed: {why}"),
    "offline": gettext_lazy("The connection was lost. Send it again."),
    "refused": gettext_lazy("The server answered with an error ({status}). Send it again."),
    "many": gettext_lazy("{count} images have changed."),
    "deleted": gettext_lazy("Deleted."),
}


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of a card: its name and how far it is, in words."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Card:
    """What the card of an upload shows."""

    upload: Upload
    steps: list[StepLine]
    renditions: list[Rendition]

    @property
    def thumbnail(self) -> Rendition | None:
        """Return the smallest rendition, if there is one yet."""
        return next(iter(self.renditions), None)

    @property
    def largest(self) -> Rendition | None:
        """Return the largest rendition, if there is one yet."""
        return next(reversed(self.renditions), None)


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
        messages.error(request, _("%(why)s Nothing of this batch was taken.") % {"why": refusal})
        return redirect("home")
    return _home(request, files)


@csrf_protect
@cache_control(private=True, no_cache=True)
def _home(request: HttpRequest, files: list[HashedFile]) -> HttpResponse:
    if request.method == "POST":
        _receive(request, files)
        return redirect("home")
    # Asked before the cards: what happens in between comes by the stream.
    last_event = events.newest(owner_id=_person(request).pk)
    page = Paginator(services.uploads_of(_person(request)), CARDS_A_PAGE).get_page(request.GET.get("page"))
    cards = make_cards(page.object_list)
    context = {
        "page": page,
        "cards": cards,
        "last_event": last_event,
        "event_names": " ".join(Event.Name),
        "unfinished": any(card.upload.is_unfinished for card in cards),
        "notices": notifications.inbox(_person(request))[:NOTICES],
        "visibilities": Upload.Visibility.choices,
        "words": {name: str(words) for name, words in WORDS.items()},
    }
    return render(request, "uploads/home.html", context)


@login_required
@require_GET
@never_cache
def cards(request: HttpRequest) -> HttpResponse:
    """Draw the cards of the uploads named by `id`, those of other people and deleted ones left out."""
    ids = [_uuid(text) for text in request.GET.getlist("id")[:CARDS_A_PAGE]]
    uploads = services.uploads_of(_person(request)).filter(pk__in=filter(None, ids))
    return render(request, "uploads/cards.html", {"cards": make_cards(uploads)})


@login_required
@require_POST
def reprocess(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """Render an upload's renditions again."""
    upload = _own_upload(request, upload_id)
    services.reprocess(uploads=[upload])
    messages.success(request, _("%(name)s is being processed again.") % {"name": upload.filename})
    return redirect("home")


@login_required
@require_POST
def delete(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """Delete an upload."""
    upload = _own_upload(request, upload_id)
    services.delete_upload(upload=upload)
    messages.success(request, _("%(name)s is deleted.") % {"name": upload.filename})
    return redirect("home")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show a person's account; a POST makes a new API token."""
    person = _person(request)
    if request.method == "POST":
        accounts.renew_token(user=person)
        messages.success(request, _("The new token is ready."))
        return redirect("account")
    context = {
        "token": accounts.token_of(user=person),
        "email_choices": Preferences.Email.choices,
        "email_choice": preferences.email_choice(person),
    }
    return render(request, "uploads/account.html", context)


@login_required
@require_POST
def choose_email(request: HttpRequest) -> HttpResponse:
    """Note how much mail a person wants."""
    choice = request.POST.get("email", "")
    if choice in Preferences.Email.values:
        preferences.choose_email(person=_person(request), choice=choice)
        messages.success(request, _("Your choice is saved."))
    return redirect("account")


def make_cards(uploads: Iterable[Upload]) -> list[Card]:
    """Return what the cards of these uploads show."""
    return [
        Card(upload=upload, steps=_step_lines(upload), renditions=upload.shown_renditions())
        for upload in uploads
    ]


def _step_lines(upload: Upload) -> list[StepLine]:
    steps = {step.name: step for step in upload.steps.all()}
    return [StepLine(name=str(name.label), state=_state(steps.get(name))) for name in Step.Name]


def _state(step: Step | None) -> str:
    if step is None:
        return _("to come")
    return _("in work") if step.finished_at is None else _("done")


def _receive(request: HttpRequest, files: list[HashedFile]) -> None:
    """Take each file of the form and tell, file by file, what became of it."""
    visibility = request.POST.get("visibility")
    if visibility not in Upload.Visibility.values:
        visibility = Upload.Visibility.UNLISTED
    if not files:
        messages.warning(request, _("Choose at least one image first."))
    for file in files:
        _receive_one(request, file, visibility)


def _receive_one(request: HttpRequest, file: HashedFile, visibility: str) -> None:
    name = {"name": file.name}
    try:
        received = services.receive_upload(owner=_person(request), file=file, visibility=visibility)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    except TransientError:
        messages.error(request, _("%(name)s could not be stored just now. Send it again.") % name)
    else:
        words = _("%(name)s is already here.") if received.duplicate else _("%(name)s is uploaded.")
        messages.success(request, words % name)


def _own_upload(request: HttpRequest, upload_id: uuid.UUID) -> Upload:
    return get_object_or_404(services.uploads_of(_person(request)), pk=upload_id)


def _person(request: HttpRequest) -> User:
    return cast("User", request.user)


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
