"""Translate between the REST API and the services."""

import re
import uuid
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from django.contrib.auth import get_user_model
from django.db import close_old_connections
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import generics, mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from processing.errors import Refusal
from uploads import services
from uploads.api.base import DarkroomView
from uploads.api.listing import NewestFirst, UploadFiltersSerializer, UploadPages
from uploads.api.senders import acting_owner, sending_owner, signed_in
from uploads.api.serializers import (
    DeletionSerializer,
    NewUploadSerializer,
    NoticeSerializer,
    PreferencesSerializer,
    QuotaSerializer,
    ReadSerializer,
    UnreadSerializer,
    UploadSerializer,
)
from uploads.events import history
from uploads.events.places import in_place, places
from uploads.events.stream import follow
from uploads.models import Delivery, Preferences, Token, Upload
from uploads.notices import inbox, preferences
from uploads.owners import Owner, owner_of
from uploads.receiving import quotas
from uploads.receiving.admission import admit, is_admitted
from uploads.receiving.rate_limits import Action, take_action
from uploads.tokens import issuing, scopes


class SeveralFiles(Refusal):
    """The request contains several files, but a response describes one upload."""

    code = "several_files"
    title = "Several files in one request"
    status = HTTPStatus.BAD_REQUEST


class NoStreams(Refusal):
    """The server cannot keep a response open without a thread for it."""

    code = "no_streams"
    title = "The server has no event streams"
    status = HTTPStatus.NOT_IMPLEMENTED


@extend_schema_view(
    retrieve=extend_schema(description="Return an upload."),
    partial_update=extend_schema(
        description="Change the visibility, the focal point and the text alternative of an upload."
    ),
)
class UploadViewSet(
    DarkroomView,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[Upload],
):
    """A person's own uploads. Other people's uploads are not found."""

    serializer_class = UploadSerializer
    pagination_class = UploadPages
    parser_classes = (MultiPartParser, JSONParser)
    http_method_names = ("get", "head", "options", "post", "patch", "delete")
    lookup_value_converter = "uuid"
    filter_parameters = tuple(UploadFiltersSerializer().fields)
    upload_scope_actions = ("create", "list", "retrieve")
    visitor_actions = ("create",)

    def get_queryset(self) -> QuerySet[Upload]:
        """Return the person's uploads, filtered if a list asks for it."""
        uploads = Upload.objects.shown().filter(owner=acting_owner(self.request))
        uploads = scopes.readable(uploads, self.request.auth)
        if self.action != "list":
            return uploads
        filters = UploadFiltersSerializer(data=self.request.query_params.dict())
        filters.is_valid(raise_exception=True)
        return filters.applied(uploads)

    @extend_schema(parameters=[UploadFiltersSerializer])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List uploads, newest first unless `ordering` says otherwise."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request={"multipart/form-data": NewUploadSerializer},
        responses={201: UploadSerializer, 200: UploadSerializer},
    )
    def create(self, request: Request) -> Response:
        """Upload an image.

        The status is 201, or 200 if the person already has an upload of the same bytes.
        """
        require_one_file(request)
        sent = NewUploadSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        if not is_admitted(request):
            admit(
                person=owner_of(request),
                address=request.META["REMOTE_ADDR"],
                byte_size=sent.validated_data["file"].size,
            )
        received = services.receive_upload(owner=sending_owner(request), **sent.validated_data)
        if isinstance(request.auth, Token):
            issuing.note_sent(request.auth, received.upload)
        context = {**self.get_serializer_context(), "duplicate": received.duplicate}
        body = UploadSerializer(received.upload, context=context).data
        answer = status.HTTP_200_OK if received.duplicate else status.HTTP_201_CREATED
        return Response(body, status=answer, headers={"Location": body["url"]})

    def perform_update(self, serializer: Any) -> None:
        """Change the visibility, the focal point and the text alternative."""
        changes, upload = serializer.validated_data, serializer.instance
        limits = (("visibility", Action.CHANGE), ("focus", Action.FOCUS), ("alt", Action.CHANGE))
        for field, limited in limits:
            if field in changes:
                limit_action(self.request, limited)
        if "visibility" in changes:
            services.update_upload(upload=upload, visibility=changes["visibility"])
        if "focus" in changes:
            services.set_focus(upload=upload, point=changes["focus"])
        if "alt" in changes:
            services.set_alt(upload=upload, alt=changes["alt"])
        serializer.instance = self.get_object()

    @extend_schema(parameters=[DeletionSerializer])
    def destroy(self, request: Request, pk: uuid.UUID) -> Response:
        """Delete an upload. With `permanent`, it cannot be restored, and its quota is free at once."""
        deletion = DeletionSerializer(data=request.query_params)
        deletion.is_valid(raise_exception=True)
        permanent = deletion.validated_data["permanent"]
        uploads = Upload.objects.filter(owner=acting_owner(request))
        upload = get_object_or_404(uploads if permanent else uploads.live(), pk=pk)
        limit_action(request, Action.CHANGE)
        if permanent:
            services.purge_upload(owner=upload.owner, upload_id=upload.pk)
        else:
            services.delete_upload(upload=upload)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={202: UploadSerializer})
    @action(detail=True, methods=["post"])
    def reprocess(self, request: Request, pk: str | None = None) -> Response:
        """Render again what is missing, stale or failed."""
        upload = self.get_object()
        limit_action(request, Action.REPROCESS)
        services.reprocess(uploads=[upload])
        return Response(self.get_serializer(self.get_object()).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses=UploadSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: uuid.UUID) -> Response:
        """Restore a deleted upload, if it has not been purged yet."""
        owner = acting_owner(request)
        get_object_or_404(Upload, owner=owner, pk=pk)
        limit_action(request, Action.CHANGE)
        if services.restore_upload(owner=owner, upload_id=pk) is None:
            raise NotFound
        return Response(self.get_serializer(self.get_object()).data)


def require_one_file(request: Request) -> None:
    """Raise `SeveralFiles` if the request contains several files."""
    if len(request.FILES.getlist("file")) > 1:
        raise SeveralFiles("The request contains several files. Send one file per request.")


def limit_action(request: Request, action: Action) -> None:
    """Count an action of the person on one image; raise `RateLimited`."""
    take_action(person=acting_owner(request), action=action)


class EventStreamRenderer(JSONRenderer):
    """Accept requests for an event stream, and render errors as JSON until the stream begins."""

    media_type = "text/event-stream"


class EventStreamView(DarkroomView):
    """A person's events, as they happen."""

    renderer_classes = (EventStreamRenderer, JSONRenderer)

    @extend_schema(
        parameters=[
            OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER),
            OpenApiParameter(
                "last_event_id",
                int,
                description="for the first connection, which has no `Last-Event-ID` header",
            ),
        ],
        responses={(200, "text/event-stream"): str},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream the events after the given event id. Without an id, stream only new events.

        A person may have a limited number of streams. Under WSGI there are none: a stream would hold a thread
        for ever.
        """
        owner = acting_owner(request)
        newest = history.newest(owner_id=owner.pk)
        last = _last_event_id(request)
        if not hasattr(request, "scope"):
            raise NoStreams("This server has no event streams. Ask for the images every few seconds.")
        # The users of a tenant each have their own places.
        place = places.take(request.user if request.user.is_authenticated else owner)
        stream = follow(
            owner_id=owner.pk,
            after=newest if last is None else min(last, newest),
            is_allowed=_still_allowed(request, owner),
        )
        # The stream uses another connection. This thread's would stay open as long as the stream.
        close_old_connections()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(
            in_place(place, stream), content_type="text/event-stream", headers=headers
        )


def _still_allowed(request: Request, owner: Owner) -> Callable[[], bool] | None:
    """Return a function that tells whether the sender may still act for the owner.

    Return None if that depends on the owner alone, whom the stream checks itself.
    """
    if isinstance(request.auth, Token):
        return partial(issuing.is_live, request.auth.pk)
    if request.user.is_authenticated and request.user != owner:
        return partial(_is_active_user, request.user.pk)
    return None


def _is_active_user(user_id: Any) -> bool:
    user = get_user_model().objects.filter(pk=user_id).first()
    return user is not None and user.is_active


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValidationError({"last_event_id": [_("%r is not an event id.") % text]})
    return int(text)


class NewestNotices(NewestFirst):
    """Pages of notices, with the number of unread ones."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return one page, and count the unread notices."""
        self.unread = inbox.unread_count(acting_owner(request))
        return super().paginate_queryset(queryset, request, view)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the unread count."""
        response = super().get_paginated_response(data)
        return Response({"unread": self.unread, **response.data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the page's schema with the unread count."""
        page: dict[str, Any] = super().get_paginated_response_schema(schema)
        page["properties"] = {"unread": {"type": "integer"}, **page["properties"]}
        return page


@extend_schema_view(list=extend_schema(description="List the notices, newest first."))
class NoticeViewSet(DarkroomView, mixins.ListModelMixin, viewsets.GenericViewSet[Delivery]):
    """A person's own notices."""

    serializer_class = NoticeSerializer
    pagination_class = NewestNotices
    parser_classes = (JSONParser,)
    http_method_names = ("get", "head", "options", "post")

    def get_queryset(self) -> QuerySet[Delivery]:
        """Return the person's notices."""
        return inbox.inbox(acting_owner(self.request))

    @extend_schema(request=ReadSerializer, responses=UnreadSerializer)
    @action(detail=False, methods=["post"])
    def read(self, request: Request) -> Response:
        """Mark notices as read: those in `ids`, or all if it is missing."""
        wanted = ReadSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        owner = acting_owner(request)
        inbox.mark_read(person=owner, ids=wanted.validated_data.get("ids"))
        return Response({"unread": inbox.unread_count(owner)})


@extend_schema_view(
    get=extend_schema(description="Return the preferences."),
    patch=extend_schema(description="Change the preferences."),
)
class SettingsView(DarkroomView, generics.RetrieveUpdateAPIView[Preferences]):
    """A person's preferences."""

    serializer_class = PreferencesSerializer
    parser_classes = (JSONParser,)
    http_method_names = ("get", "head", "options", "patch")

    def get_object(self) -> Preferences:
        """Return the person's preferences, or the defaults."""
        person = signed_in(self.request)
        return Preferences(owner=person, email=preferences.email_choice(person))

    def perform_update(self, serializer: Any) -> None:
        """Save the changed preferences."""
        serializer.instance.email = serializer.validated_data.get("email", serializer.instance.email)
        preferences.choose_email(person=serializer.instance.owner, choice=serializer.instance.email)


class QuotaView(DarkroomView):
    """A person's quota."""

    @extend_schema(responses=QuotaSerializer)
    def get(self, request: Request) -> Response:
        """Return the images and bytes in use, and their limits."""
        return Response(QuotaSerializer(quotas.usage_of(acting_owner(request))).data)
