"""Models of bytes: which originals and renditions exist, and which worker holds a lease on them."""

from typing import ClassVar

from django.db import models

from processing import clock
from processing.presets import AUTOMATIC, Point, point_of


class Original(models.Model):
    """The bytes that were sent, stored once, named by their SHA-256.

    `width` and `height` are those of the upright picture. `transparent` is None if the header declares
    transparency, until the first task has decoded the picture. `focus_x` and `focus_y` are the focal point
    found in the picture, each 0 to 1 of the upright picture. `metadata` is what the file holds besides its
    pixels (`processing.images.reading.metadata`), or None if it has not been read yet. `truncated` is whether
    the file ends too early, so that pixels or frames may be missing. `suspect` says that the file was found
    lost or damaged. `deaths` counts how often it has ended its renderer since a step of it was done, and
    `fault` is how it did so last (`processing.renderer.options.Fault`).
    """

    content_hash = models.CharField(max_length=64, unique=True, editable=False)
    public_key = models.CharField(max_length=40, unique=True, editable=False)
    format = models.CharField(max_length=8)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    byte_size = models.PositiveBigIntegerField()
    transparent = models.BooleanField(null=True)
    thumbhash = models.CharField(max_length=64, blank=True)
    color = models.CharField(max_length=7, blank=True)
    focus_x = models.FloatField(default=0.5)
    focus_y = models.FloatField(default=0.5)
    metadata = models.JSONField(null=True)
    truncated = models.BooleanField(default=False, db_default=False)
    suspect = models.BooleanField(default=False, db_default=False)
    deaths = models.PositiveIntegerField(default=0, db_default=0)
    fault = models.CharField(max_length=8, default="", db_default="", blank=True)
    created_at = models.DateTimeField(default=clock.now, db_index=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.content_hash[:12]

    @property
    def focus(self) -> Point:
        """Return the focal point found in the picture."""
        return self.focus_x, self.focus_y


class Focus(models.Model):
    """A focal point that an owner has set for an original's crops, as `point_text` writes it."""

    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="focuses")
    point = models.CharField(max_length=9)

    class Meta:
        verbose_name_plural = "focuses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["original", "point"], name="one_row_a_focus"),
        ]

    def __str__(self) -> str:
        return self.point

    @property
    def place(self) -> Point:
        """Return the point."""
        return point_of(self.point)


class Rendition(models.Model):
    """An original rendered by a preset in one format; its file is complete.

    `focus` is the focal point of its crop, or `AUTOMATIC` for the one found in the picture. `fingerprint` is
    the preset's at the time of rendering. `redo` has it rendered again although it is not stale. `digest` is
    the SHA-256 of the file. `frames_left_out` counts the frames of an animation beyond the limits.
    """

    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="renditions")
    preset = models.CharField(max_length=64)
    format = models.CharField(max_length=8)
    focus = models.CharField(max_length=9, default=AUTOMATIC, db_default=AUTOMATIC, blank=True)
    fingerprint = models.CharField(max_length=16)
    key = models.CharField(max_length=200, unique=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    byte_size = models.PositiveBigIntegerField()
    frames = models.PositiveIntegerField(default=1)
    frames_left_out = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64)
    redo = models.BooleanField(default=False)
    rendered_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering: ClassVar = ["original", "width", "format"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["original", "preset", "format", "focus"], name="one_row_a_rendition"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["preset", "fingerprint"]),
            # The collector looks for renditions of focal points that are no longer set.
            models.Index(fields=["original"], condition=~models.Q(focus=""), name="focused_renditions"),
        ]

    def __str__(self) -> str:
        return self.key


class Lease(models.Model):
    """One worker's right to run one step for one original until `expires_at`.

    The row stays between attempts, with `expires_at` None and the time of the next attempt, and is removed
    when the step is done. A lease that expired without being released counts as a crash.
    """

    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="leases")
    step = models.CharField(max_length=32)
    token = models.UUIDField()
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["original", "step"], name="one_lease_a_step"),
        ]

    def __str__(self) -> str:
        return f"{self.step} of {self.original}"


class PendingFile(models.Model):
    """The key of a file without a row: it is about to be written, or its row was deleted.

    The collector removes the file when it is due and still has no row. A key gets its record before its file
    is written. The transaction that creates the file's row deletes that record (see
    `processing.garbage.pending_files`).
    """

    key = models.CharField(max_length=200, unique=True)
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


class StorageState(models.Model):
    """The database's side of the storage, in one row.

    `generation` is the value that the storage holds too, and `next_generation` the one that is being written
    (`processing.garbage.generations`). `newest_original` is the primary key of the newest original at the
    time when `generation` was written.
    `differs` and `unknown_files` are what the last comparison found.
    """

    generation = models.CharField(max_length=32, blank=True)
    next_generation = models.CharField(max_length=32, blank=True)
    newest_original = models.PositiveBigIntegerField(default=0)
    differs = models.BooleanField(default=False)
    unknown_files = models.PositiveIntegerField(default=0)
    compared_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.generation
