"""Models with an image field, which is adopted."""

from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import models

from uploads.fields import PictureField

# The folder of a test run is the parent of its MEDIA_ROOT.
STORAGE = FileSystemStorage(location=Path(settings.MEDIA_ROOT).parent / "adoption")


def storage() -> FileSystemStorage:
    """Return the storage of the image field. Migrations name this function, because the folder varies."""
    return STORAGE


class Gallery(models.Model):
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)

    objects: ClassVar[models.Manager["Gallery"]] = models.Manager()

    def __str__(self) -> str:
        return f"gallery {self.pk}"


class Photo(models.Model):
    title = models.TextField(blank=True)
    file = models.ImageField(storage=storage, upload_to="photos/%Y", null=True)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, null=True)
    picture = PictureField(null=True, max_width=400)

    objects: ClassVar[models.Manager["Photo"]] = models.Manager()

    def __str__(self) -> str:
        return self.title


class Pair(models.Model):
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)
    file = models.FileField(storage=storage)
    front = PictureField(owner="person", null=True)
    back = PictureField(null=True)
    always = PictureField()

    objects: ClassVar[models.Manager["Pair"]] = models.Manager()

    def __str__(self) -> str:
        return str(self.file)
