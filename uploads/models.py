"""The models of people's uploads: their state, history and notices."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from processing import clock, conf, correlation
from processing.models import Focus, Original, Rendition
from processing.presets import AUTOMATIC, EXTENSIONS, FALLBACKS, Format, Preset
from processing.refusals import stored_sentence
from uploads import addresses
from uploads.owners import owner_model_name, owners


class UploadQuerySet(models.QuerySet["Upload"]):
    """Queries for uploads."""

    def live(self) -> Self:
        """Return the uploads that are not deleted."""
        return self.filter(deleted_at=None)

    def shown(self) -> Self:
        """Return the uploads that are not deleted, newest first, with the related rows that are shown."""
        steps = models.Prefetch("steps", Step.objects.order_by("started_at"))
        return self.live().with_renditions().prefetch_related(steps)

    def with_renditions(self) -> Self:
        """Return the uploads with the rows from which a page makes their URLs."""
        renditions = models.Prefetch("original__renditions", Rendition.objects.order_by("width", "format"))
        return self.select_related("original", "owner", "focus").prefetch_related(renditions)


class Upload(models.Model):
    """One person's act of sending an original.

    - `next_step`: the step of its chain that is published next, or has been published but is not done.
    - `queued_at`: when this step was last published; None while it waits for that.
    - `bulk`: background work, processed on the bulk queue.
    - `presets`: the fingerprint of the presets with which an operator ordered it at `presets_at`, or "".
      Workers that had started before, and have others, leave it.
    - `quiet`: an operator imported it, so its owner has no notices of its arrival and processing.
    - `thumbnails_ready_at`, `ready_at`: when its owner could first see its thumbnails, and all its sizes.
    - `deleted_at`: since when it is hidden, until the collector purges it.
    - `focus`: the focal point that its owner chose; None for the automatic one.
    - `taken_down_at`: since when staff withhold it, for the `takedown_reason` that its owner sees.
    - `alt`: its text alternative, for the templates that give none.
    - `made_by_field`: only a `PictureField` has received it, so it is removed when no row refers to it.
    - `unused_since`: when such an upload was first found unused; None while it is used.
    - `version`: how often its file was replaced, the last time at `replaced_at`.
    - `request_id`: the id, in logs, of the request that last asked to process it.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        PROCESSING = "processing", _("processing")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    class Visibility(models.TextChoices):
        UNLISTED = "unlisted", _("anyone with the link")
        PRIVATE = "private", _("only me")

    UNFINISHED = (Status.PENDING, Status.PROCESSING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(owner_model_name(), on_delete=models.CASCADE, related_name="uploads")
    original = models.ForeignKey(Original, on_delete=models.PROTECT, related_name="uploads")
    # A focal point is deleted under a lock, after checking that no upload uses it. A partial index serves
    # that check.
    focus = models.ForeignKey(
        Focus, on_delete=models.PROTECT, null=True, related_name="uploads", db_index=False
    )
    filename = models.TextField()
    visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.UNLISTED)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    error_code = models.CharField(max_length=32, blank=True)
    error_detail = models.TextField(blank=True)
    bulk = models.BooleanField(default=False)
    presets = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)
    presets_at = models.DateTimeField(null=True, editable=False)
    quiet = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(default=clock.now)
    next_step = models.CharField(
        max_length=32, default="generate_thumbnails", db_default="generate_thumbnails", editable=False
    )
    queued_at = models.DateTimeField(null=True, editable=False)
    thumbnails_ready_at = models.DateTimeField(null=True, editable=False)
    ready_at = models.DateTimeField(null=True, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    taken_down_at = models.DateTimeField(null=True, editable=False)
    takedown_reason = models.TextField(blank=True, default="", db_default="", editable=False)
    alt = models.CharField(_("text alternative"), max_length=1000, blank=True, default="", db_default="")
    made_by_field = models.BooleanField(default=False, db_default=False, editable=False)
    unused_since = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    replaced_at = models.DateTimeField(null=True, editable=False)
    request_id = models.CharField(
        max_length=correlation.LONGEST,
        blank=True,
        default=correlation.request_id,
        db_default="",
        editable=False,
    )

    # The names of the presets that the model's field offers through which a row was reached; all if empty.
    offered: tuple[str, ...] = ()

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "original"],
                condition=models.Q(deleted_at=None),
                name="one_live_upload_a_person_and_original",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["owner", "-created_at", "-id"]),
            models.Index(fields=["status", "queued_at"]),
            models.Index(
                fields=["deleted_at"], condition=models.Q(deleted_at__isnull=False), name="deleted_uploads"
            ),
            models.Index(
                fields=["status", "-created_at", "-id"],
                condition=models.Q(deleted_at=None),
                name="live_uploads",
            ),
            models.Index(
                fields=["ready_at"],
                condition=models.Q(deleted_at=None, ready_at__isnull=False),
                name="ready_uploads",
            ),
            models.Index(
                fields=["owner", "queued_at"],
                condition=models.Q(deleted_at=None, bulk=False, status__in=["pending", "processing"]),
                name="unfinished_uploads",
            ),
            models.Index(
                fields=["owner", "next_step", "created_at", "id"],
                condition=models.Q(
                    deleted_at=None, bulk=False, queued_at=None, status__in=["pending", "processing"]
                ),
                name="held_back_uploads",
            ),
            models.Index(fields=["focus"], condition=models.Q(focus__isnull=False), name="focused_uploads"),
            # The API lists uploads by name.
            models.Index(
                fields=["owner", "filename", "id"],
                condition=models.Q(deleted_at=None),
                name="named_uploads",
            ),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def is_unfinished(self) -> bool:
        """Return whether the upload still waits for work."""
        return self.status in self.UNFINISHED

    @property
    def began_at(self) -> datetime:
        """Return when the current file was received."""
        return self.replaced_at or self.created_at

    @property
    def is_truncated(self) -> bool:
        """Return whether the file ends too early; false until this upload's first step has finished."""
        return bool(self.thumbnails_ready_at) and self.original.truncated

    @property
    def is_withheld(self) -> bool:
        """Return whether only staff may see the picture: it is taken down, or its owner is suspended."""
        return self.taken_down_at is not None or not owners().is_active(self.owner)

    @property
    def point(self) -> str:
        """Return the focal point, as renditions name it."""
        return self.focus.point if self.focus else AUTOMATIC

    @property
    def failure(self) -> str:
        """Return the reason for the failure in the active language, or "" if it has not failed."""
        return stored_sentence(code=self.error_code, detail=self.error_detail)

    @property
    def status_in_words(self) -> str:
        """Return the status in the active language, with the reason of a failure or a takedown."""
        if self.taken_down_at:
            return gettext("taken down: %(reason)s") % {"reason": self.takedown_reason}
        status = self.get_status_display()
        return f"{status}: {self.failure}" if self.error_detail else status

    @property
    def is_ready(self) -> bool:
        """Return whether all its sizes can be seen."""
        return self.ready_at is not None and self.deleted_at is None and not self.is_withheld

    @property
    def placeholder(self) -> dict[str, str] | None:
        """Return its `thumbhash` and `color`, or None before its first step, and while it is taken down."""
        if self.taken_down_at or not self.thumbnails_ready_at:
            return None
        return {"thumbhash": self.original.thumbhash, "color": self.original.color}

    def url(self, preset: str, format: Format | None = None) -> str:
        """Return the URL of the picture in a preset, as JPEG or PNG unless a format is named.

        It is permanent for an unlisted upload whose rendition is stored. Else it is `/i/<id>/<preset>`, which
        answers with a placeholder until the picture is ready. Raises `UnknownPreset`.
        """
        name = conf.known_preset(preset, among=self.offered).name
        files = self._public_files([name], format)
        if files:
            return files[max(files)]
        return addresses.picture_path(self.pk, f"{name}.{EXTENSIONS[format]}" if format else name)

    def srcset(self, presets: Sequence[str] = (), format: Format | None = None) -> str:
        """Return the permanent URLs of the picture in several widths, for the attribute `srcset`.

        Without `presets`, these are all that the field offers. Those that crop the picture to another shape
        than the largest are left out. It is "" for a private upload, and until a rendition is stored. Raises
        `UnknownPreset`.
        """
        wanted = [conf.known_preset(name, among=self.offered) for name in presets] or self.offered_presets()
        largest = max(wanted, key=lambda preset: preset.width or preset.height or 0)
        names = [preset.name for preset in wanted if preset.shows_the_same(largest)]
        return addresses.srcset(self._public_files(names, format))

    def offered_presets(self) -> list[Preset]:
        """Return the presets that its field offers, largest first; without a field, all."""
        return [preset for preset in conf.presets() if not self.offered or preset.name in self.offered]

    def _public_files(self, presets: Collection[str], format: Format | None) -> dict[int, str]:
        """Return the permanent URLs of the renditions that everyone may see, by width, smallest first."""
        if self.visibility != self.Visibility.UNLISTED:
            return {}
        rows = [row for row in self.shown_renditions() if row.preset in presets]
        formats = {row.format for row in rows}
        chosen = format or next((known for known in FALLBACKS if known in formats), None)
        files = {row.width: row.key for row in rows if row.format == chosen}
        return {width: addresses.public_rendition_url(self.pk, files[width]) for width in sorted(files)}

    def cached_paths(self) -> list[str]:
        """Return the keys under which the shipped nginx may keep pictures of this upload."""
        endings = (*EXTENSIONS.values(), "jpeg")
        pictures = [addresses.picture_path(self.pk, preset.name) for preset in conf.presets()]
        originals = [self.original_id, *self.former_files.values_list("original", flat=True)]
        keys = Rendition.objects.filter(original__in=originals).values_list("key", flat=True)
        return [
            *(f"{path}/{formats}" for path in pictures for formats in addresses.NEGOTIATED),
            *(f"{path}.{ending}" for path in pictures for ending in endings),
            *(addresses.rendition_path(self.pk, key) for key in keys),
        ]

    def shown_renditions(self) -> list[Rendition]:
        """Return the renditions that the owner may see so far, smallest first.

        They appear as this upload's own steps finish, without crops for other focal points. Otherwise they
        would reveal other people's uploads of the same original.
        """
        rows = [row for row in self._rows_in_focus() if conf.preset_named(row.preset)]
        if self.ready_at:
            return rows
        return [row for row in rows if self._is_shown_early(row)]

    def _rows_in_focus(self) -> Iterable[Rendition]:
        """Return one row for each preset and format, preferring the upload's own focal point."""
        rows: dict[tuple[str, str], Rendition] = {}
        for row in self.original.renditions.all():
            if row.focus == self.point or (row.focus == AUTOMATIC and (row.preset, row.format) not in rows):
                rows[row.preset, row.format] = row
        return rows.values()

    def _is_shown_early(self, row: Rendition) -> bool:
        preset = conf.preset_named(row.preset)
        return bool(self.thumbnails_ready_at and preset and preset.is_thumbnail)


class Step(models.Model):
    """The times at which a step of an upload's chain started and finished."""

    class Name(models.TextChoices):
        GENERATE_THUMBNAILS = "generate_thumbnails", _("thumbnails")
        RESIZE_IMAGE = "resize_image", _("sizes")
        NOTIFY_OWNER = "notify_owner", _("notice")

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=32, choices=Name.choices)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["upload", "name"], name="one_row_a_step"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.upload_id}"


class FormerFile(models.Model):
    """An original that an upload had before its file was replaced.

    Its permanent URLs work until `expires_at`, also those of crops for `focus`, the focal point that its
    owner had set. The collector then deletes the row.
    """

    # There is no constraint, so that the previous version of the code can still purge uploads and delete
    # focal points. A leftover row shows nothing, and is deleted when it expires.
    upload = models.ForeignKey(
        Upload, on_delete=models.CASCADE, related_name="former_files", db_constraint=False
    )
    original = models.ForeignKey(Original, on_delete=models.PROTECT, related_name="former_files")
    focus = models.ForeignKey(
        Focus, on_delete=models.PROTECT, null=True, related_name="former_files", db_constraint=False
    )
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["upload", "original"], name="one_row_a_former_file"),
        ]

    def __str__(self) -> str:
        return f"former file {self.original_id} of {self.upload_id}"


class Verdict(models.Model):
    """The decision of the hooks on an original's bytes. It outlasts the original.

    - `hooks`: the digest of the list that decided (`uploads.hooks.configured.digest`).
    - `hook`, `reason`: the hook that refused the original, by its dotted path, and what its owner reads.
    """

    content_hash = models.CharField(max_length=64, primary_key=True)
    hooks = models.CharField(max_length=64)
    passed = models.BooleanField()
    hook = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    decided_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"{self.content_hash[:12]}: {'passed' if self.passed else 'refused'}"


class PrivateLink(models.Model):
    """A way for visitors to see a private upload. When the link ends, its row is deleted.

    - `preset`: the only preset that the link opens; "" for all.
    - `digest`: the SHA-256 of the token in its URL. The token itself is not stored.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # There is no constraint, so after a roll-back, the version without private links can still purge
    # uploads. Their leftover links show nothing, and are removed when they expire.
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="links", db_constraint=False)
    preset = models.TextField(blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"link {self.pk} to {self.upload_id}"


class Event(models.Model):
    """Something that happened to an upload, a webhook or an account. It outlasts the upload."""

    class Name(models.TextChoices):
        RECEIVED = "upload.received", _("received")
        THUMBNAILS_READY = "upload.thumbnails_ready", _("thumbnails ready")
        READY = "upload.ready", _("ready")
        FAILED = "upload.failed", _("failed")
        DELETED = "upload.deleted", _("deleted")
        RESTORED = "upload.restored", _("restored")
        REPROCESSED = "upload.reprocessed", _("reprocessed")
        TAKEN_DOWN = "upload.taken_down", _("taken down by staff")
        PUT_BACK = "upload.put_back", _("put back by staff")
        REPLACED = "upload.replaced", _("file replaced")
        WEBHOOK_TEST = "webhook.test", _("webhook tested")
        WEBHOOK_DISABLED = "webhook.disabled", _("webhook disabled")
        PASSWORD_CHANGED = "account.password_changed", _("password changed")
        EMAIL_REFUSED = "account.email_refused", _("emails refused")

    OF_UPLOADS = (
        Name.RECEIVED, Name.THUMBNAILS_READY, Name.READY, Name.FAILED, Name.DELETED, Name.RESTORED,
        Name.REPROCESSED, Name.TAKEN_DOWN, Name.PUT_BACK, Name.REPLACED,
    )  # fmt: skip
    # Events that may happen to an upload repeatedly. All others are recorded once for each of its versions.
    REPEATED = (
        Name.DELETED, Name.RESTORED, Name.REPROCESSED, Name.TAKEN_DOWN, Name.PUT_BACK, Name.REPLACED,
    )  # fmt: skip

    owner = models.ForeignKey(owner_model_name(), on_delete=models.CASCADE, related_name="events")
    upload = models.ForeignKey(Upload, on_delete=models.SET_NULL, null=True, related_name="events")
    # The version of the upload to which it happened.
    version = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    name = models.CharField(max_length=32, choices=Name.choices)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["upload", "version", "name"],
                condition=~models.Q(
                    name__in=[
                        "upload.deleted",
                        "upload.restored",
                        "upload.reprocessed",
                        "upload.taken_down",
                        "upload.put_back",
                        "upload.replaced",
                    ]
                ),
                name="one_event_a_version_unless_repeatable",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["owner", "id"]),
            # The retention looks for events that may end: of purged uploads, and repeatable ones.
            models.Index(
                fields=["created_at"],
                condition=models.Q(upload=None)
                | models.Q(
                    name__in=[
                        "upload.deleted",
                        "upload.restored",
                        "upload.reprocessed",
                        "upload.taken_down",
                        "upload.put_back",
                        "upload.replaced",
                    ]
                ),
                name="ending_events",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.upload_id}"

    @property
    def detail(self) -> str:
        """Return the reason in the active language, or "" if there is none."""
        return stored_sentence(code=self.data.get("code", ""), detail=self.data.get("detail", ""))

    def payload(self) -> dict[str, Any]:
        """Return the event as the event stream and webhooks send it."""
        return {"type": self.name, "timestamp": self.created_at.isoformat(), "data": self.data}


class Preferences(models.Model):
    """A person's choices, and what is known of their mailbox. A missing row means the defaults.

    - `reports`: whether a member of staff gets the report by email.
    - `emails`: the emails counted on the day `emails_on` (UTC), which `EMAILS_PER_DAY` limits.
    - `refused_address`: the address, in lower case, that its mail server refused for good at `refused_at`,
      with `refused_reply`; "" if there is none. Nothing is mailed to it until it is verified again.
    """

    class Email(models.TextChoices):
        EACH = "each", _("one email for each image")
        DIGEST = "digest", _("one email when a batch is finished")
        NONE = "none", _("no email")

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    email = models.CharField(max_length=8, choices=Email.choices, default=Email.DIGEST)
    # "" if the person has not chosen a language.
    language = models.CharField(max_length=8, blank=True, default="", db_default="")
    reports = models.BooleanField(default=True, db_default=True)
    emails_on = models.DateField(null=True, editable=False)
    emails = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    refused_address = models.TextField(default="", db_default="", editable=False)
    refused_reply = models.TextField(default="", db_default="", editable=False)
    refused_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return f"preferences of {self.owner_id}"


class Quota(models.Model):
    """The number of images and bytes that a person keeps. The next upload creates a missing row.

    A deleted upload counts until it is purged. Individual limits override those of the settings.
    """

    owner = models.OneToOneField(
        owner_model_name(), on_delete=models.CASCADE, primary_key=True, related_name="quota"
    )
    images = models.PositiveIntegerField(default=0, editable=False)
    bytes = models.PositiveBigIntegerField(default=0, editable=False)
    max_images = models.PositiveIntegerField(null=True, blank=True, verbose_name=_("maximum images"))
    max_bytes = models.PositiveBigIntegerField(null=True, blank=True, verbose_name=_("maximum bytes"))

    def __str__(self) -> str:
        return f"quota of {self.owner_id}"

    def count(self) -> Self:
        """Recount the owner's uploads, with the deleted ones that are not purged yet."""
        found = Upload.objects.filter(owner=self.owner_id).order_by()
        totals = found.aggregate(images=Count("pk"), bytes=Coalesce(Sum("original__byte_size"), 0))
        self.images, self.bytes = totals["images"], totals["bytes"]
        return self


class Reservation(models.Model):
    """Room in a person's quota for an image that is being stored. It counts until `expires_at`."""

    # Without a constraint, old code can delete a person during a rolling restart. A leftover row expires.
    owner = models.ForeignKey(
        owner_model_name(), on_delete=models.CASCADE, related_name="reservations", db_constraint=False
    )
    byte_size = models.PositiveBigIntegerField()
    # 0 if the file of an image is being replaced.
    images = models.PositiveSmallIntegerField(default=1, db_default=1)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.byte_size} bytes for {self.owner_id}"


class Endpoint(models.Model):
    """A person's own URL that receives events as webhooks.

    - `events`: the names of the wanted events; an empty list means all.
    - `failures`: failed attempts since the last success, the first of them at `failing_since`.
    - `resting_until`: nothing is sent before this time.
    """

    class Reason(models.TextChoices):
        OWNER = "owner", _("by the owner")
        GONE = "gone", _("the endpoint answered 410 Gone")
        FAILING = "failing", _("every delivery failed for five days")
        PASSWORD = "password", _("the password was changed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(owner_model_name(), on_delete=models.CASCADE, related_name="endpoints")
    url = models.TextField()
    description = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=8, choices=Reason.choices, blank=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    resting_until = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"endpoint {self.pk}"

    @property
    def enabled(self) -> bool:
        """Return whether events are sent to this endpoint."""
        return self.disabled_at is None


class Secret(models.Model):
    """A key that signs an endpoint's webhooks; a replaced secret expires at `expires_at`."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets")
    value = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=models.Q(expires_at=None), name="one_lasting_secret"
            ),
        ]

    def __str__(self) -> str:
        return f"secret {self.pk} of {self.endpoint_id}"


class Token(models.Model):
    """The right of a person's program to use the API. The key is shown once; only its digest is stored.

    - `prefix`: the beginning of the key, by which a person recognises it.
    - `sent`: for the scope `upload`, the uploads that were sent with it.
    - `taken_over_at`: when the digest was copied from a plain key of Django REST framework. None if no plain
      key is left.
    """

    class Scope(models.TextChoices):
        READ = "read", _("read")
        UPLOAD = "upload", _("upload only")
        ALL = "all", _("everything")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    scope = models.CharField(_("scope"), max_length=8, choices=Scope.choices)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=8, editable=False)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    taken_over_at = models.DateTimeField(null=True, editable=False)
    # Without a constraint, old code can purge an upload during a rolling restart. Ids are never reused,
    # so a leftover row is harmless.
    sent = models.ManyToManyField(Upload, related_name="sending_tokens", db_constraint=False, editable=False)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        """Return whether the token has expired."""
        return self.expires_at is not None and self.expires_at <= clock.now()


class Delivery(models.Model):
    """One notice of one event over one channel; its id is the same for all attempts.

    - `next_attempt_at`: when it is due.
    - `started_at`: when the current attempt began.
    - `failed_at`: when it was given up.
    - `status_code`, `duration` (seconds): of the last response.
    - `digest`: the delivery at the head of its digest; the head refers to itself.
    - `request_id`: the id, in logs, of the request that caused it.

    An email is held for a digest while `next_attempt_at`, `delivered_at`, `failed_at` and `digest` are empty.
    """

    class Channel(models.TextChoices):
        IN_APP = "in_app", _("in-app")
        EMAIL = "email", _("email")
        WEBHOOK = "webhook", _("webhook")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=16, choices=Channel.choices)
    # The indexes below serve queries by endpoint.
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, null=True, related_name="deliveries", db_index=False
    )
    subject = models.TextField()
    created_at = models.DateTimeField(default=clock.now)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    duration = models.FloatField(null=True)
    digest = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="members")
    request_id = models.CharField(
        max_length=correlation.LONGEST,
        blank=True,
        default=correlation.request_id,
        db_default="",
        editable=False,
    )

    class Meta:
        ordering: ClassVar = ["-created_at"]
        verbose_name_plural = _("deliveries")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event", "channel"],
                condition=models.Q(endpoint=None),
                name="one_delivery_a_channel",
            ),
            models.UniqueConstraint(fields=["event", "endpoint"], name="one_delivery_an_endpoint"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(delivered_at=None), name="undelivered"
            ),
            models.Index(
                fields=["created_at"],
                condition=models.Q(next_attempt_at=None, delivered_at=None, failed_at=None, digest=None),
                name="held_deliveries",
            ),
            models.Index(fields=["endpoint", "-created_at", "-id"]),
            models.Index(fields=["channel", "created_at"], name="aging_deliveries"),
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=models.Q(delivered_at=None, endpoint__isnull=False),
                name="undelivered_webhooks",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.subject}"

    @property
    def state(self) -> str:
        """Return `delivered`, `failed` (for good) or `waiting`."""
        if self.delivered_at:
            return "delivered"
        return "failed" if self.failed_at else "waiting"


class Heartbeat(models.Model):
    """The last time that a periodic job, such as the sweep, ran."""

    # A heartbeat further ahead than this is from a clock that was set back since.
    AHEAD: ClassVar = timedelta(seconds=5)

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%c}"

    @classmethod
    def last(cls, name: str) -> datetime | None:
        """Return the time of a job's last heartbeat, or None if it has never run."""
        return cls.objects.filter(name=name).values_list("at", flat=True).first()


class Process(models.Model):
    """A web process, worker or beat that sends heartbeats.

    - `name`: the host's name, after that of the worker, or with the process id of a web process.
    - `queues`: the queues that it consumes.
    - `presets`: the fingerprint of each of its presets, by name.
    - `began_at`, `seen_at`: when it read its settings, and its last heartbeat.
    """

    class Kind(models.TextChoices):
        WEB = "web"
        WORKER = "worker"
        BEAT = "beat"

    name = models.CharField(max_length=255, primary_key=True)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    version = models.CharField(max_length=32)
    queues = models.JSONField(default=list)
    presets = models.JSONField(default=dict)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class NightlyFigures(models.Model):
    """The figures of one night, from which a report computes the growth of the storage.

    - `bytes_of_originals`, `bytes_of_renditions`: of the files that rows name.
    - `lost_originals`: the originals whose file is missing or damaged.
    - `sampled`, `broken`: the files whose hash the nightly sample compared, and the keys of those that are
      missing or damaged.
    """

    day = models.DateField(primary_key=True)
    images = models.PositiveBigIntegerField(default=0)
    bytes_of_originals = models.PositiveBigIntegerField(default=0)
    bytes_of_renditions = models.PositiveBigIntegerField(default=0)
    unknown_files = models.PositiveIntegerField(default=0)
    lost_originals = models.PositiveIntegerField(default=0)
    sampled = models.PositiveIntegerField(default=0)
    broken = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-day"]
        verbose_name_plural = _("nightly figures")

    def __str__(self) -> str:
        return f"figures of {self.day}"


class Report(models.Model):
    """The report to staff on the days from `first_day` to `last_day`."""

    class Period(models.TextChoices):
        DAILY = "daily", _("daily")
        WEEKLY = "weekly", _("weekly")

    period = models.CharField(max_length=8, choices=Period.choices)
    first_day = models.DateField()
    last_day = models.DateField()
    figures = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering: ClassVar = ["-last_day", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["period", "first_day"], name="one_report_a_period"),
        ]

    def __str__(self) -> str:
        return f"{self.period} report on {self.last_day}"


class ReportMail(models.Model):
    """The email of a report to one member of staff.

    - `next_attempt_at`: when it is due; None once it was sent or given up.
    """

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="mails")
    # There is no constraint, so after a roll-back, the version without reports can still delete a person.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="report_mails", db_constraint=False
    )
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, db_index=True)
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["report", "person"], name="one_mail_a_report_and_person"),
        ]

    def __str__(self) -> str:
        return f"{self.report} to {self.person_id}"
