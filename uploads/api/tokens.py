"""Translate between the REST API and the tokens of a person."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from uploads.api.base import DarkroomView
from uploads.api.listing import NewestFirst
from uploads.api.senders import signed_in
from uploads.api.token_serializers import NewTokenSerializer, TokenSerializer
from uploads.models import Token
from uploads.tokens import issuing


@extend_schema_view(
    list=extend_schema(description="List the tokens that are not revoked, newest first."),
    destroy=extend_schema(description="Revoke a token. Its event streams end within 15 seconds."),
)
class TokenViewSet(
    DarkroomView, mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[Token]
):
    """A person's own tokens that are not revoked. Other people's tokens are not found."""

    serializer_class = TokenSerializer
    pagination_class = NewestFirst
    parser_classes = (JSONParser,)
    http_method_names = ("get", "head", "options", "post", "delete")
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Token]:
        """Return the person's tokens."""
        return issuing.tokens_of(signed_in(self.request))

    @extend_schema(request=TokenSerializer, responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        """Create a token. Only this response contains its key."""
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        issued = issuing.add(owner=signed_in(request), **wanted.validated_data)
        context = {**self.get_serializer_context(), "key": issued.key}
        body = NewTokenSerializer(issued.token, context=context).data
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    def perform_destroy(self, instance: Any) -> None:
        """Revoke the token."""
        issuing.revoke(instance)
