"""The admin pages for uploads, originals, renditions and notices, and the pictures of other models."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.forms import BaseForm
from django.forms.utils import pretty_name
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from processing.models import Original, Rendition
from uploads import services
from uploads.fields import picture_lookups
from uploads.forms.keeping import keep_pictures
from uploads.models import Delivery, Endpoint, Event, Quota, Step, Token, Upload, Verdict
from uploads.owners import owner_model_name
from uploads.serving import links
from uploads.tokens import issuing, legacy

if legacy.takes_over():
    # Django REST framework's page would show plain keys, until these are erased (`uploads/tokens/legacy.py`).
    import_module("rest_framework.authtoken.admin")
    admin.site.unregister(apps.get_model("authtoken", "TokenProxy"))

# A search in the admin finds users by name and address. Owners of another model have neither.
_PERSON = tuple(
    f"owner__{name}" for name in (get_user_model().USERNAME_FIELD, get_user_model().get_email_field_name())
)
_OWNER = _PERSON if owner_model_name() == settings.AUTH_USER_MODEL else ()


class Thumbnail:
    """A column of a list that shows the picture of a field."""

    def __init__(self, field: str) -> None:
        self.field = self.__name__ = field
        self.short_description = pretty_name(field)

    def __call__(self, row: Model) -> SafeString | str:
        """Show the smallest rendition of the picture."""
        upload: Upload | None = getattr(row, self.field)
        rows = upload.shown_renditions() if upload and not upload.deleted_at else []
        if not upload or not rows:
            return "–"
        path = links.rendition_path(upload, rows[0])
        return format_html(
            '<img src="{}" alt="{}" height="48" loading="lazy">', path, upload.alt or upload.filename
        )


def thumbnail(field: str) -> Thumbnail:
    """Return a column for `list_display`, such as `thumbnail("photo")`."""
    return Thumbnail(field)


class PictureAdmin(admin.ModelAdmin):
    """The admin of a model with pictures: its list needs no query a row, and its forms keep sent pictures."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the pictures of all `thumbnail` columns together."""
        columns = self.get_list_display(request)
        names = [column.field for column in columns if isinstance(column, Thumbnail)]
        return super().get_queryset(request).prefetch_related(*picture_lookups(*names))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """Keep the pictures that a form with an error has sent."""
        for form in _forms_of(context):
            keep_pictures(form, request)
        return super().render_change_form(request, context, *args, **options)


def _forms_of(context: dict[str, Any]) -> Iterator[BaseForm]:
    yield context["adminform"].form
    for inline in context["inline_admin_formsets"]:
        yield from inline.formset.forms


class ReadOnly:
    """Make a model read-only in the admin, because only Darkroom's own code may write its rows."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: only Darkroom's own code adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: only Darkroom's own code changes rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: deleting a row could leave a file behind."""
        return False


class StepInline(ReadOnly, admin.TabularInline):
    """The times at which each step started and finished."""

    model = Step
    extra = 0


class EventInline(ReadOnly, admin.TabularInline):
    """The history of the upload."""

    model = Event
    extra = 0
    fields = ("name", "created_at", "data")


class RenditionInline(ReadOnly, admin.TabularInline):
    """The renditions of an original."""

    model = Rendition
    extra = 0
    fields = ("picture", "preset", "format", "focus", "width", "height", "byte_size", "frames", "rendered_at")
    readonly_fields = ("picture",)

    @admin.display(description=_("picture"))
    def picture(self, rendition: Rendition) -> SafeString:
        """Show the rendition."""
        return _picture(rendition)


class TakedownForm(forms.Form):
    """The form for the reason of a takedown."""

    reason = forms.CharField(
        label=_("Reason, which the owner sees"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


@admin.register(Upload)
class UploadAdmin(ReadOnly, admin.ModelAdmin):
    """Uploads and their failures, with actions to reprocess, take down, put back and delete."""

    list_display = ("thumbnail", "filename", "owner", "status", "failure", "visibility", "created_at")
    list_display_links = ("thumbnail", "filename")
    list_filter = (
        "status", "error_code", "visibility", ("taken_down_at", admin.EmptyFieldListFilter), "created_at",
    )  # fmt: skip
    search_fields = ("id", "filename", "original__content_hash", *_OWNER)
    list_select_related = ("owner", "original", "focus")
    inlines = (StepInline, EventInline)
    actions = ("reprocess", "reprocess_everything", "take_down", "put_back", "delete_uploads")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upload]:
        """Exclude deleted uploads."""
        return super().get_queryset(request).filter(deleted_at=None).prefetch_related("original__renditions")

    @admin.display(description=_("picture"))
    def thumbnail(self, upload: Upload) -> SafeString | str:
        """Show the upload's smallest rendition."""
        rows = upload.shown_renditions()
        return _picture(rows[0]) if rows else "–"

    @admin.display(description=_("failure"))
    def failure(self, upload: Upload) -> str:
        """Return the reason for the failure."""
        return f"{upload.error_code}: {upload.error_detail}" if upload.error_code else ""

    @admin.action(
        description=_("Reprocess: render only what is missing, stale or failed"), permissions=["process"]
    )
    def reprocess(self, request: HttpRequest, queryset: QuerySet[Upload]) -> None:
        """Queue the selected uploads again."""
        self._reprocess(request, queryset, force=False)

    @admin.action(description=_("Reprocess: render everything again"), permissions=["process"])
    def reprocess_everything(self, request: HttpRequest, queryset: QuerySet[Upload]) -> None:
        """Queue the selected uploads again, with every rendition."""
        self._reprocess(request, queryset, force=True)

    @admin.action(description=_("Delete the selected uploads"), permissions=["remove"])
    def delete_uploads(self, request: HttpRequest, queryset: QuerySet[Upload]) -> None:
        """Delete the selected uploads as their owners would."""
        for upload in queryset:
            services.delete_upload(upload=upload)
        _tell(request, ngettext("%d upload deleted.", "%d uploads deleted.", len(queryset)) % len(queryset))

    @admin.action(description=_("Take down: only staff see the picture"), permissions=["process"])
    def take_down(self, request: HttpRequest, queryset: QuerySet[Upload]) -> TemplateResponse | None:
        """Ask for the reason, and then take the selected uploads down."""
        form = TakedownForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": gettext("Take down"),
                "opts": self.opts,
                "uploads": queryset,
                "form": form,
            }
            return TemplateResponse(request, "admin/uploads/upload/take_down.html", context)
        reason = form.cleaned_data["reason"]
        taken = [upload for upload in queryset if services.take_down(upload=upload, reason=reason)]
        for upload in taken:
            self.log_change(request, upload, f"Taken down: {reason}")
        _tell(request, ngettext("%d upload taken down.", "%d uploads taken down.", len(taken)) % len(taken))
        return None

    @admin.action(description=_("Put back what was taken down"), permissions=["process"])
    def put_back(self, request: HttpRequest, queryset: QuerySet[Upload]) -> None:
        """End the takedown of the selected uploads."""
        back = [upload for upload in queryset if services.put_back(upload=upload)]
        for upload in back:
            self.log_change(request, upload, "Put back.")
        _tell(request, ngettext("%d upload put back.", "%d uploads put back.", len(back)) % len(back))

    def has_process_permission(self, request: HttpRequest) -> bool:
        """Allow reprocessing and takedowns to staff who may change uploads."""
        return request.user.has_perm("uploads.change_upload")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Allow deletion to staff who may delete uploads."""
        return request.user.has_perm("uploads.delete_upload")

    def _reprocess(self, request: HttpRequest, queryset: QuerySet[Upload], *, force: bool) -> None:
        services.reprocess(uploads=list(queryset), force=force, bulk=True)
        _tell(request, ngettext("%d upload queued.", "%d uploads queued.", len(queryset)) % len(queryset))


@admin.register(Original)
class OriginalAdmin(ReadOnly, admin.ModelAdmin):
    """Originals with their renditions."""

    list_display = ("thumbnail", "__str__", "format", "width", "height", "size", "created_at")
    list_filter = ("format", "created_at")
    search_fields = ("content_hash", "public_key")
    inlines = (RenditionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Original]:
        """Prefetch the renditions."""
        return super().get_queryset(request).prefetch_related("renditions")

    @admin.display(description=_("picture"))
    def thumbnail(self, original: Original) -> SafeString | str:
        """Show the original's smallest rendition."""
        rows = sorted(original.renditions.all(), key=lambda row: row.width)
        return _picture(rows[0]) if rows else "–"

    @admin.display(description=_("size"), ordering="byte_size")
    def size(self, original: Original) -> str:
        """Format the size for people."""
        return filesizeformat(original.byte_size)


@admin.register(Rendition)
class RenditionAdmin(ReadOnly, admin.ModelAdmin):
    """Renditions, with the picture in the first column."""

    list_display = ("picture", "preset", "format", "width", "height", "byte_size", "rendered_at", "original")
    list_filter = ("preset", "format", "rendered_at")
    search_fields = ("key", "original__content_hash")
    list_select_related = ("original",)

    @admin.display(description=_("picture"))
    def picture(self, rendition: Rendition) -> SafeString:
        """Show the rendition."""
        return _picture(rendition)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):
    """Notices, both delivered and undelivered."""

    list_display = (
        "subject", "channel", "created_at", "delivered_at", "failed_at", "next_attempt_at", "attempts",
        "last_error",
    )  # fmt: skip
    list_filter = ("channel", "created_at", ("failed_at", admin.EmptyFieldListFilter))


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, admin.ModelAdmin):
    """Webhook endpoints. Secrets are not shown: only the owner may read them."""

    list_display = ("url", "owner", "created_at", "failing_since", "failures", "resting_until", "disabled_at",
                    "disabled_reason")  # fmt: skip
    list_filter = ("disabled_reason", "created_at")
    search_fields = ("id", "url", *_OWNER)
    list_select_related = ("owner",)


@admin.register(Token)
class TokenAdmin(ReadOnly, admin.ModelAdmin):
    """Tokens, without keys and digests, with an action that revokes them."""

    fields = list_display = (
        "owner", "name", "prefix", "scope", "created_at", "expires_at", "last_used_at", "revoked_at"
    )  # fmt: skip
    list_display_links = ("name",)
    list_filter = ("scope", "created_at", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "prefix", *_PERSON)
    list_select_related = ("owner",)
    actions = ("revoke",)

    @admin.action(description=_("Revoke the selected tokens"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        """Revoke the selected tokens."""
        for token in queryset:
            issuing.revoke(token)
        _tell(request, ngettext("%d token revoked.", "%d tokens revoked.", len(queryset)) % len(queryset))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Allow revoking to staff who may change tokens."""
        return request.user.has_perm("uploads.change_token")


@admin.register(Verdict)
class VerdictAdmin(ReadOnly, admin.ModelAdmin):
    """The verdicts of hooks. Without its verdict, an original is checked again by its next step."""

    list_display = ("content_hash", "passed", "hook", "reason", "decided_at")
    list_filter = ("passed", "hook", "decided_at")
    search_fields = ("content_hash",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow deleting to staff who have the permission."""
        return bool(admin.ModelAdmin.has_delete_permission(self, request, obj))


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):
    """The usage of each person, and their individual limits."""

    list_display = ("owner", "images", "size", "max_images", "max_bytes")
    search_fields = _OWNER
    raw_id_fields = ("owner",)
    readonly_fields = ("images", "size")

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Suggest owners while typing. That needs their admin page, which not every project has."""
        owners = Quota._meta.get_field("owner").related_model
        return ("owner",) if self.admin_site.is_registered(owners) else ()

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: bool) -> None:
        """Count a new row's usage, because the person may already have uploads."""
        if not change:
            obj.count()
        super().save_model(request, obj, form, change)

    @admin.display(description=_("bytes"), ordering="bytes")
    def size(self, quota: Quota) -> str:
        """Format the bytes for people."""
        return filesizeformat(quota.bytes)


def _picture(rendition: Rendition) -> SafeString:
    """Return the picture at the height of a table row."""
    address = links.staff_path(rendition)
    return format_html(
        '<a href="{}"><img src="{}" alt="{}" height="48" loading="lazy"></a>',
        address,
        address,
        rendition.preset,
    )


def _tell(request: HttpRequest, text: str) -> None:
    messages.success(request, text)
