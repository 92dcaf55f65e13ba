"""Translate between the REST API and the file of an upload, which a request can replace."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from uploads import services
from uploads.api.base import DarkroomView
from uploads.api.senders import acting_owner
from uploads.api.serializers import FileSerializer, UploadSerializer
from uploads.api.views import require_one_file
from uploads.models import Upload
from uploads.receiving.admission import admit, is_admitted

if TYPE_CHECKING:
    import uuid


class UploadFileView(DarkroomView, generics.GenericAPIView[Upload]):
    """The file of one of a person's own uploads."""

    serializer_class = UploadSerializer
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> QuerySet[Upload]:
        """Return the person's uploads."""
        return Upload.objects.shown().filter(owner=acting_owner(self.request))

    @extend_schema(
        request={"multipart/form-data": FileSerializer},
        responses=UploadSerializer,
        parameters=[
            OpenApiParameter(
                "If-Match",
                str,
                OpenApiParameter.HEADER,
                description="the content hash of the file to replace, in double quotes",
            )
        ],
    )
    def put(self, request: Request, pk: uuid.UUID) -> Response:
        """Replace the file of an upload.

        The upload keeps its id and its `image_url`, and is processed again. Its renditions get new permanent
        URLs; the former ones end after a grace period. The same file again changes nothing.
        """
        upload = self.get_object()
        require_one_file(request)
        sent = FileSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        file = sent.validated_data["file"]
        if not is_admitted(request):
            address = request.META["REMOTE_ADDR"]
            admit(person=upload.owner, address=address, byte_size=file.size, replaces=True)
        received = services.replace_file(upload=upload, file=file, expected=_expected(request))
        if received is None:
            raise NotFound
        context = {**self.get_serializer_context(), "duplicate": received.duplicate}
        body = UploadSerializer(self.get_object(), context=context).data
        return Response(body, headers={"ETag": f'"{body["content_hash"]}"'})


def _expected(request: Request) -> Collection[str] | None:
    """Return the content hashes of which the request expects one, or None if it expects none."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    return {tag.strip('"') for tag in parse_etags(header)}
