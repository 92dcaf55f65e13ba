"""Translate between the REST API and the endpoints of webhooks."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from uploads.api.base import DarkroomView
from uploads.api.listing import NewestFirst
from uploads.api.senders import acting_owner
from uploads.api.views import limit_action
from uploads.api.webhook_serializers import EndpointSerializer, WebhookDeliverySerializer
from uploads.models import Delivery, Endpoint
from uploads.notices import endpoints
from uploads.receiving.rate_limits import Action


@extend_schema_view(
    list=extend_schema(description="List the webhooks, newest first."),
    create=extend_schema(description="Add a webhook."),
    retrieve=extend_schema(description="Return a webhook."),
    partial_update=extend_schema(description="Change a webhook."),
    destroy=extend_schema(description="Delete a webhook. Its deliveries are deleted, too."),
)
class EndpointViewSet(DarkroomView, viewsets.ModelViewSet[Endpoint]):
    """A person's own endpoints. Other people's endpoints are not found."""

    serializer_class = EndpointSerializer
    pagination_class = NewestFirst
    parser_classes = (JSONParser,)
    http_method_names = ("get", "head", "options", "post", "patch", "delete")
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Endpoint]:
        """Return the person's endpoints."""
        return endpoints.endpoints_of(acting_owner(self.request))

    def perform_create(self, serializer: Any) -> None:
        """Create the endpoint with its first secret."""
        fields = dict(serializer.validated_data)
        enabled = fields.pop("enabled", True)
        endpoint = endpoints.add(owner=acting_owner(self.request), **fields)
        serializer.instance = endpoint if enabled else endpoints.change(endpoint=endpoint, enabled=False)

    def perform_update(self, serializer: Any) -> None:
        """Change the endpoint."""
        serializer.instance = endpoints.change(endpoint=serializer.instance, **serializer.validated_data)

    @extend_schema(request=None, responses={202: WebhookDeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: uuid.UUID) -> Response:
        """Send a test event."""
        endpoint = self.get_object()
        limit_action(request, Action.WEBHOOK)
        delivery = endpoints.send_test(endpoint=endpoint)
        return Response(WebhookDeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses=EndpointSerializer)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: uuid.UUID) -> Response:
        """Create a new secret. The previous secret also signs for one more day."""
        endpoint = self.get_object()
        endpoints.rotate(endpoint=endpoint)
        return Response(self.get_serializer(endpoint).data)


@extend_schema_view(
    list=extend_schema(description="List the deliveries to a webhook, newest first."),
)
class WebhookDeliveryViewSet(DarkroomView, mixins.ListModelMixin, viewsets.GenericViewSet[Delivery]):
    """The deliveries to one of a person's own endpoints, sent and waiting."""

    serializer_class = WebhookDeliverySerializer
    pagination_class = NewestFirst
    queryset = Delivery.objects.none()
    http_method_names = ("get", "head", "options", "post")
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Delivery]:
        """Return the deliveries to the endpoint, if the person owns it."""
        if getattr(self, "swagger_fake_view", False):
            return Delivery.objects.none()
        own = endpoints.endpoints_of(acting_owner(self.request))
        endpoint = get_object_or_404(own, pk=self.kwargs["webhook"])
        return endpoint.deliveries.select_related("event", "endpoint")

    @extend_schema(request=None, responses={202: WebhookDeliverySerializer})
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, webhook: uuid.UUID, pk: uuid.UUID) -> Response:
        """Send a webhook again under the same id, with a fresh number of attempts."""
        delivery = self.get_object()
        limit_action(request, Action.WEBHOOK)
        endpoints.send_again(delivery=delivery)
        return Response(self.get_serializer(self.get_object()).data, status=status.HTTP_202_ACCEPTED)
