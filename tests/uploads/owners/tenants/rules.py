"""The rules about tenants."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from tests.uploads.owners.tenants.models import Membership, Tenant
from uploads.owners import Owners


class TenantOwners(Owners):
    """The users of a tenant share its images, and its administrator gets the emails."""

    def of(self, request: HttpRequest) -> Tenant | None:
        return Tenant.objects.filter(memberships__user=request.user.pk).first()

    def recipient(self, owner: Tenant) -> User | None:
        administrators = Membership.objects.filter(tenant=owner, is_administrator=True)
        first = administrators.select_related("user").order_by("pk").first()
        return first.user if first else None

    def find(self, name: str) -> Tenant | None:
        return Tenant.objects.filter(name=name).first()
