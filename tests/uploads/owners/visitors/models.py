"""The model of visitors."""

from django.db import models


class Visitor(models.Model):
    """A browser that has sent an image, and its language."""

    language = models.CharField(max_length=8)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"visitor {self.pk}"
