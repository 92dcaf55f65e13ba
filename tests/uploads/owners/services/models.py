"""The model of services."""

import uuid

from django.db import models


class Service(models.Model):
    """A program with a name, and the SHA-256 of its key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    enabled = models.BooleanField(default=True)
    max_images = models.PositiveIntegerField(default=1000)

    def __str__(self) -> str:
        return self.name
