"""The models of tenants and their users."""

from django.conf import settings
from django.db import models


class Tenant(models.Model):
    """A company, whose users share a gallery."""

    name = models.CharField(max_length=100, unique=True)
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """The tenant of a user, and whether the user administers it."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="membership")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships")
    is_administrator = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.user} of {self.tenant}"
