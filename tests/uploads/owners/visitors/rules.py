"""The rules about visitors."""

from django.http import HttpRequest
from django.utils.translation import get_language

from tests.uploads.owners.visitors.models import Visitor
from uploads.owners import Owners


class VisitorOwners(Owners):
    """The session of a browser names the visitor, from the first image on."""

    active_field = ""
    admits_visitors = True

    def of(self, request: HttpRequest) -> Visitor | None:
        return Visitor.objects.filter(pk=request.session.get("visitor")).first()

    def begin(self, request: HttpRequest) -> Visitor:
        visitor = Visitor.objects.create(language=get_language() or "")
        request.session["visitor"] = visitor.pk
        return visitor

    def language(self, owner: Visitor) -> str:
        return owner.language
