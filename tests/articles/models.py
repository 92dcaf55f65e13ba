"""Articles with pictures."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from uploads.fields import PictureField


class Article(models.Model):
    """An article with a picture that it may lack."""

    title = models.CharField(max_length=100)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True)
    photo = PictureField(presets=["thumb", "large"], null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.title


class Portrait(models.Model):
    """A picture that a person owns, of some size and kind."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    picture = PictureField(owner="person", kinds=["jpeg", "png"], min_width=100, max_bytes=100_000)

    def __str__(self) -> str:
        return f"portrait of {self.person}"
