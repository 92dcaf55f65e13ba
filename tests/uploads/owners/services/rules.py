"""The rules about services."""

from dataclasses import replace
from hashlib import sha256

from django.http import HttpRequest

from tests.uploads.owners.services.models import Service
from uploads.owners import Limits, Owners


class ServiceOwners(Owners):
    """A service sends its key in a header."""

    active_field = "enabled"

    def of(self, request: HttpRequest) -> Service | None:
        key = request.headers.get("X-Service-Key", "")
        return Service.objects.filter(digest=sha256(key.encode()).hexdigest()).first()

    def limits(self, owner: Service) -> Limits:
        return replace(super().limits(owner), quota_images=owner.max_images)

    def find(self, name: str) -> Service | None:
        return Service.objects.filter(name=name).first()
