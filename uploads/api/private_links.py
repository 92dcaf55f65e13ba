"""Translate between the REST API and the private links of an upload."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from uploads.api.base import DarkroomView
from uploads.api.listing import NewestFirst
from uploads.api.private_link_serializers import (
    MadePrivateLinkSerializer,
    NewPrivateLinkSerializer,
    PrivateLinkSerializer,
)
from uploads.api.senders import acting_owner
from uploads.models import PrivateLink, Upload
from uploads.serving import private_links


@extend_schema_view(
    list=extend_schema(description="List the valid private links to an upload, newest first."),
    destroy=extend_schema(description="Revoke a private link."),
)
class PrivateLinkViewSet(
    DarkroomView, mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[PrivateLink]
):
    """The private links to one of a person's own uploads."""

    serializer_class = PrivateLinkSerializer
    pagination_class = NewestFirst
    parser_classes = (JSONParser,)
    queryset = PrivateLink.objects.none()

    def get_queryset(self) -> QuerySet[PrivateLink]:
        """Return the valid links, if the person owns the upload."""
        if getattr(self, "swagger_fake_view", False):
            return PrivateLink.objects.none()
        return private_links.links_of(self._own_upload())

    @extend_schema(request=NewPrivateLinkSerializer, responses={201: MadePrivateLinkSerializer})
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Make a private link. Its URL is in this response only."""
        upload = self._own_upload()
        wanted = NewPrivateLinkSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = private_links.make(upload=upload, **wanted.validated_data)
        context = {**self.get_serializer_context(), "token": made.token}
        body = MadePrivateLinkSerializer(made.link, context=context).data
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="uploads_links_destroy_all")
    def destroy_all(self, request: Request, **kwargs: Any) -> Response:
        """Revoke all private links to the upload."""
        self._own_upload().links.all().delete()
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _own_upload(self) -> Upload:
        own = Upload.objects.live().filter(owner=acting_owner(self.request))
        return get_object_or_404(own, pk=self.kwargs["upload"])
