"""Models of another app, whose image field is adopted. Only some tests install this app."""

from typing import ClassVar

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import models

from tests.environment import FOLDER

STORAGE = FileSystemStorage(location=FOLDER / "adoption")


class Gallery(models.Model):
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)

    objects: ClassVar[models.Manager["Gallery"]] = models.Manager()

    class Meta:
        app_label = "adoption"

    def __str__(self) -> str:
        return f"gallery {self.pk}"


class Photo(models.Model):
    title = models.TextField(blank=True)
    file = models.ImageField(storage=STORAGE, upload_to="photos/%Y", null=True)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, null=True)
    picture = models.ForeignKey("uploads.Upload", on_delete=models.SET_NULL, null=True, related_name="+")

    objects: ClassVar[models.Manager["Photo"]] = models.Manager()

    class Meta:
        app_label = "adoption"

    def __str__(self) -> str:
        return self.title


class Pair(models.Model):
    file = models.FileField()
    front = models.ForeignKey("uploads.Upload", on_delete=models.CASCADE, null=True, related_name="+")
    back = models.ForeignKey("uploads.Upload", on_delete=models.CASCADE, null=True, related_name="+")
    always = models.ForeignKey("uploads.Upload", on_delete=models.CASCADE, related_name="+")

    class Meta:
        app_label = "adoption"

    def __str__(self) -> str:
        return str(self.file)
