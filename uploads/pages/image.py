"""The page of one image: its renditions, metadata, history and actions."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from re import sub
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST

from processing import conf, refusals
from processing.errors import Refusal, TransientError
from processing.models import Rendition
from processing.presets import Point, Preset
from uploads import services
from uploads.events import history
from uploads.hooks import verdicts
from uploads.models import Event, Upload
from uploads.pages import gallery
from uploads.pages.people import acting_owner, may_act, owner_required
from uploads.receiving import unparsed
from uploads.receiving.admission import admit, is_admitted
from uploads.receiving.form import HashedFile, prepare
from uploads.receiving.rate_limits import Action
from uploads.serving import links, picture_tag, private_links, responsive
from uploads.serving.private_links import NewLink


class FocusForm(forms.Form):
    """A focal point, in percent from the left and from the top."""

    x = forms.FloatField(label=gettext_lazy("From the left"), min_value=0, max_value=100)
    y = forms.FloatField(label=gettext_lazy("From the top"), min_value=0, max_value=100)


class AltForm(forms.Form):
    """The text alternative of an image."""

    alt = forms.CharField(max_length=Upload._meta.get_field("alt").max_length, required=False)


@dataclass(frozen=True, slots=True)
class RenditionLine:
    """A rendition in the list: its absolute URL, and by how many percent it is smaller than the original."""

    rendition: Rendition
    address: str
    saved: int


@dataclass(frozen=True, slots=True)
class CaptureTime:
    """The camera's clock when it took the picture, and the clock's zone, such as UTC+02:00, or ""."""

    clock: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text that embeds the image in another page, with its label and the height of its field in rows."""

    label: str
    text: str
    rows: int = 2


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of the history: its time, its text and, for a step, its duration."""

    at: datetime
    text: str
    duration: timedelta | None = None


@owner_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@gzip_page
def image(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """Show an image with its metadata, history and renditions.

    A POST request makes a private link. The response is this page and not a redirect, because
    the URL of a link is shown only once.
    """
    upload = _own_upload(request, upload_id)
    if request.method != "POST":
        return _page(request, upload)
    try:
        return _page(request, upload, made=private_links.make(upload=upload))
    except Refusal as refusal:
        return _page(request, upload, refusal=refusal)


def _page(
    request: HttpRequest, upload: Upload, *, made: NewLink | None = None, refusal: Refusal | None = None
) -> HttpResponse:
    last_event = history.newest(owner_id=acting_owner(request).pk)
    is_private = upload.visibility == Upload.Visibility.PRIVATE
    is_shown = not upload.taken_down_at
    largest = links.main_preset() if upload.ready_at else responsive.preview_preset(upload)
    found = upload.original.metadata if upload.thumbnails_ready_at else None
    context = {
        "upload": upload,
        "original": upload.original,
        "preset": largest if is_shown else "",
        "lines": [_line(request, upload, row) for row in upload.shown_renditions() if is_shown],
        # Without a link, no URL of a private image opens for others.
        "snippets": _snippets(request, upload, made) if made or not is_private else [],
        "is_private": is_private,
        "private_links": private_links.links_of(upload),
        "made": made,
        "refusal": refusals.sentence(refusal) if refusal else "",
        "default_expiry": private_links.default_expiry(),
        "timeline": timeline(upload),
        "crops": _crops(),
        "focus": _focus(upload),
        "found": found,
        "taken": _capture_time(found),
        "visibilities": Upload.Visibility.choices,
        "last_event": last_event,
        "may_download": upload.taken_down_at is None and verdicts.may_go_out(upload),
    }
    status = refusal.status if refusal else HTTPStatus.OK
    return render(request, "uploads/image.html", context, status=status)


@csrf_exempt
@owner_required
@require_POST
def replace(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """Replace the file of an image.

    The file is read before the CSRF check, as in the gallery.
    """
    prepare(request)
    try:
        file = cast("HashedFile | None", request.FILES.get("file"))
    except (Refusal, *unparsed.ERRORS) as error:
        refusal = error if isinstance(error, Refusal) else unparsed.refusal_of(error)
        messages.error(request, refusals.sentence(refusal))
        return redirect("uploads:image", upload_id)
    return _replace(request, upload_id, file)


@csrf_protect
def _replace(request: HttpRequest, upload_id: uuid.UUID, file: HashedFile | None) -> HttpResponse:
    upload = _own_upload(request, upload_id)
    if file is None:
        messages.warning(request, _("Choose a file first."))
    else:
        try:
            _take_file(request, upload, file)
        except Refusal as refusal:
            messages.error(request, refusals.sentence(refusal))
        except TransientError:
            messages.error(request, _("%(name)s could not be stored. Upload it again.") % {"name": file.name})
    return redirect("uploads:image", upload_id)


def _take_file(request: HttpRequest, upload: Upload, file: HashedFile) -> None:
    """Replace the file, and show a message. Raises `Refusal` or `TransientError`."""
    if not is_admitted(request):
        address, byte_size = request.META["REMOTE_ADDR"], file.size or 0
        admit(person=upload.owner, address=address, byte_size=byte_size, replaces=True)
    received = services.replace_file(upload=upload, file=file)
    if received is None:
        raise Http404
    if received.duplicate:
        messages.success(request, _("The image has this file already."))
    else:
        messages.success(request, _("Replaced by %(name)s.") % {"name": file.name})


@owner_required
@require_POST
def revoke_link(request: HttpRequest, upload_id: uuid.UUID, link_id: uuid.UUID) -> HttpResponse:
    """Revoke one private link."""
    get_object_or_404(private_links.links_of(_own_upload(request, upload_id)), pk=link_id).delete()
    messages.success(request, _("Link revoked."))
    return redirect("uploads:image", upload_id)


@owner_required
@require_POST
def act(request: HttpRequest, upload_id: uuid.UUID, action: str) -> HttpResponse:
    """Reprocess or delete an image, revoke its private links, or change a property of it."""
    if action not in _ACTIONS:
        raise Http404
    upload = _own_upload(request, upload_id)
    if not may_act(request, _LIMITED.get(action, Action.CHANGE)):
        return redirect("uploads:image", upload_id)
    _ACTIONS[action](request, upload)
    return redirect("uploads:home") if action == "delete" else redirect("uploads:image", upload_id)


def timeline(upload: Upload) -> list[Moment]:
    """Return the history of an upload in order: its events, and its steps with their durations."""
    # The events of this version that tell that it is ready are below, with the time that it took.
    events = upload.events.exclude(name=Event.Name.READY, version=upload.version)
    moments = [Moment(at=event.created_at, text=event.get_name_display()) for event in events]
    moments += [
        Moment(
            at=step.started_at,
            text=step.get_name_display(),
            duration=step.finished_at - step.started_at if step.finished_at else None,
        )
        for step in upload.steps.all()
    ]
    if upload.ready_at:
        waited = upload.ready_at - upload.began_at
        moments.append(Moment(at=upload.ready_at, text=_("ready"), duration=waited))
    return sorted(moments, key=lambda moment: moment.at)


def _reprocess(request: HttpRequest, upload: Upload) -> None:
    services.reprocess(uploads=[upload])
    messages.success(request, _("Reprocessing %(name)s.") % {"name": upload.filename})


def _delete(request: HttpRequest, upload: Upload) -> None:
    gallery.tell_deleted(request, [upload])


def _show_to(request: HttpRequest, upload: Upload) -> None:
    visibility = request.POST.get("visibility")
    if visibility in Upload.Visibility.values:
        services.update_upload(upload=upload, visibility=visibility)
        messages.success(request, _("Saved."))


def _revoke_links(request: HttpRequest, upload: Upload) -> None:
    upload.links.all().delete()
    messages.success(request, _("All private links revoked."))


def _look_at(request: HttpRequest, upload: Upload) -> None:
    """Set the focal point, or reset it to the automatic one."""
    form = FocusForm(request.POST)
    if "automatic" in request.POST:
        services.set_focus(upload=upload, point=None)
    elif form.is_valid():
        services.set_focus(upload=upload, point=(form.cleaned_data["x"] / 100, form.cleaned_data["y"] / 100))
    else:
        messages.error(request, _("Enter the focal point as two numbers from 0 to 100."))
        return
    messages.success(request, _("Updating crops…"))


def _describe(request: HttpRequest, upload: Upload) -> None:
    """Set the text alternative."""
    form = AltForm(request.POST)
    if form.is_valid():
        services.set_alt(upload=upload, alt=form.cleaned_data["alt"])
        messages.success(request, _("Saved."))
    else:
        messages.error(request, _("The text alternative is too long. Shorten it."))


_ACTIONS: dict[str, Callable[[HttpRequest, Upload], None]] = {
    "reprocess": _reprocess,
    "delete": _delete,
    "visibility": _show_to,
    "focus": _look_at,
    "alt": _describe,
    "revoke": _revoke_links,
}

# The rate limits of actions; all others count as a change.
_LIMITED = {"reprocess": Action.REPROCESS, "focus": Action.FOCUS}


def _own_upload(request: HttpRequest, upload_id: uuid.UUID) -> Upload:
    return get_object_or_404(Upload.objects.shown().filter(owner=acting_owner(request)), pk=upload_id)


def _line(request: HttpRequest, upload: Upload, row: Rendition) -> RenditionLine:
    whole = upload.original.byte_size
    return RenditionLine(
        rendition=row,
        address=request.build_absolute_uri(links.rendition_path(upload, row)),
        saved=round(100 * (1 - row.byte_size / whole)) if row.byte_size < whole else 0,
    )


def _capture_time(found: dict[str, Any] | None) -> CaptureTime | None:
    """Return the capture time that was found in a file."""
    if not found or not found.get("taken_at"):
        return None
    at = datetime.fromisoformat(found["taken_at"])
    # Without its zone, Django shows the camera's clock instead of converting it to the site's.
    return CaptureTime(at.replace(tzinfo=None), at.tzname() or "")


def _crops() -> list[Preset]:
    """Return the largest cropping preset of each aspect ratio."""
    shapes: dict[float, Preset] = {}
    for preset in conf.presets():
        if preset.mode == "fill" and preset.width and preset.height:
            shapes.setdefault(round(preset.width / preset.height, 3), preset)
    return list(shapes.values())


def _focus(upload: Upload) -> Point:
    """Return the upload's focal point, in percent."""
    x, y = upload.focus.place if upload.focus else upload.original.focus
    return 100 * x, 100 * y


def _snippets(request: HttpRequest, upload: Upload, made: NewLink | None) -> list[Snippet]:
    """Return the snippets that embed the image in another page: URL, HTML and Markdown.

    Those of a private image contain the link that was just made.
    """
    preset, token = conf.preset_named(links.main_preset()), made.token if made else ""
    if preset is None:
        return []
    address = request.build_absolute_uri(links.picture_path(upload, preset.name, token=token))
    if not upload.ready_at:
        return [Snippet("URL", address)]
    picture = responsive.picture_of(
        upload, preset, lambda row: request.build_absolute_uri(links.file_path(upload, row, token=token))
    )
    alt = upload.alt or upload.filename.rpartition(".")[0] or upload.filename
    attributes = picture_tag.attributes_of(picture, upload, sizes="100vw", alt=alt)
    context = {"picture": picture, "sizes": "100vw", "attributes": attributes}
    html = render_to_string("uploads/picture.html", context).strip()
    label = sub(r"([\\\[\]])", r"\\\1", " ".join(alt.split()))
    return [
        Snippet("URL", address),
        Snippet("HTML", html, rows=5),
        Snippet("Markdown", f"![{label}]({address})"),
    ]
