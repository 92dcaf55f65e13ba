"""Translate between the REST API and the services."""

import re
import uuid
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ValidationError as InvalidValue
from django.db import close_old_connections
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.errors import Refusal
from uploads import services
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
from uploads.receiving import quotas
from uploads.receiving.admission import admit, is_admitted
from uploads.receiving.rate_limits import Action, take_action
from uploads.tokens import issuing, scopes

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SeveralFiles(Refusal):
    """The request contains several files, but a response describes one upload."""

    code = "several_files"
    title = "Several files in one request"
    status = HTTPStatus.BAD_REQUEST


class NewestFirst(CursorPagination):
    """Cursor pages that stay stable while new rows are added."""

    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return one page.

        Raises `ValidationError` for a query parameter that the list does not have, and `NotFound` for an
        invalid cursor. A cursor may contain any value, and only the model field detects an invalid one.
        """
        known = {self.cursor_query_param, self.page_size_query_param, *getattr(view, "filter_parameters", ())}
        unknown = [name for name in request.query_params if name not in known]
        if unknown:
            raise ValidationError(
                {name: [_("This list does not support this parameter.")] for name in unknown}
            )
        try:
            return super().paginate_queryset(queryset, request, view)
        except (InvalidValue, ValueError, OverflowError):
            raise NotFound(self.invalid_cursor_message) from None


class UploadViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[Upload],
):
    """A person's own uploads. Other people's uploads are not found."""

    serializer_class = UploadSerializer
    pagination_class = NewestFirst
    parser_classes = (MultiPartParser, JSONParser)
    http_method_names = ("get", "head", "options", "post", "patch", "delete")
    lookup_value_converter = "uuid"
    filter_parameters = ("status",)
    upload_scope_actions = ("create", "list", "retrieve")

    def get_queryset(self) -> QuerySet[Upload]:
        """Return the person's uploads, filtered by status if a list asks for it."""
        uploads = Upload.objects.shown().filter(owner=cast("User", self.request.user))
        uploads = scopes.readable(uploads, self.request.auth)
        wanted = self.request.query_params.get("status") if self.action == "list" else None
        if wanted is None:
            return uploads
        if wanted not in Upload.Status.values:
            known = {"wanted": wanted, "known": ", ".join(Upload.Status.values)}
            raise ValidationError({"status": [_("%(wanted)r is not one of %(known)s.") % known]})
        return uploads.filter(status=wanted)

    @extend_schema(parameters=[OpenApiParameter("status", enum=Upload.Status.values)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List uploads, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request={"multipart/form-data": NewUploadSerializer},
        responses={201: UploadSerializer, 200: UploadSerializer},
    )
    def create(self, request: Request) -> Response:
        """Upload an image.

        The status is 201, or 200 if the person already has an upload of the same bytes.
        """
        if len(request.FILES.getlist("file")) > 1:
            raise SeveralFiles("The request contains several files. Send one file per request.")
        sent = NewUploadSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        if not is_admitted(request):
            admit(
                person=cast("User", request.user),
                address=request.META["REMOTE_ADDR"],
                byte_size=sent.validated_data["file"].size,
            )
        received = services.receive_upload(owner=cast("User", request.user), **sent.validated_data)
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
        uploads = Upload.objects.filter(owner=cast("User", request.user))
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
        get_object_or_404(Upload, owner=cast("User", request.user), pk=pk)
        limit_action(request, Action.CHANGE)
        if services.restore_upload(owner=cast("User", request.user), upload_id=pk) is None:
            raise NotFound
        return Response(self.get_serializer(self.get_object()).data)


def limit_action(request: Request, action: Action) -> None:
    """Count an action of the person on one image; raise `RateLimited`."""
    take_action(person_id=cast("User", request.user).pk, action=action)


class EventStreamRenderer(JSONRenderer):
    """Accept requests for an event stream, and render errors as JSON until the stream begins."""

    media_type = "text/event-stream"


class EventStreamView(APIView):
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

        A person may have a limited number of streams.
        """
        owner = cast("User", request.user).pk
        newest = history.newest(owner_id=owner)
        last = _last_event_id(request)
        place = places.take(owner)
        stream = follow(
            owner_id=owner,
            after=newest if last is None else min(last, newest),
            is_allowed=_still_allowed(request.auth),
        )
        # The stream uses another connection. This thread's would stay open as long as the stream.
        close_old_connections()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(
            in_place(place, stream), content_type="text/event-stream", headers=headers
        )


def _still_allowed(auth: object) -> Callable[[], bool] | None:
    """Return a function that tells whether the request's token still works; None for a session."""
    return partial(issuing.is_live, auth.pk) if isinstance(auth, Token) else None


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
        self.unread = inbox.unread_count(cast("User", request.user))
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


class NoticeViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Delivery]):
    """A person's own notices."""

    serializer_class = NoticeSerializer
    pagination_class = NewestNotices
    parser_classes = (JSONParser,)
    http_method_names = ("get", "head", "options", "post")

    def get_queryset(self) -> QuerySet[Delivery]:
        """Return the person's notices."""
        return inbox.inbox(cast("User", self.request.user))

    @extend_schema(request=ReadSerializer, responses=UnreadSerializer)
    @action(detail=False, methods=["post"])
    def read(self, request: Request) -> Response:
        """Mark notices as read: those in `ids`, or all if it is missing."""
        wanted = ReadSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        person = cast("User", request.user)
        inbox.mark_read(person=person, ids=wanted.validated_data.get("ids"))
        return Response({"unread": inbox.unread_count(person)})


class SettingsView(generics.RetrieveUpdateAPIView[Preferences]):
    """A person's preferences."""

    serializer_class = PreferencesSerializer
    parser_classes = (JSONParser,)
    http_method_names = ("get", "head", "options", "patch")

    def get_object(self) -> Preferences:
        """Return the person's preferences, or the defaults."""
        person = cast("User", self.request.user)
        return Preferences(owner=person, email=preferences.email_choice(person))

    def perform_update(self, serializer: Any) -> None:
        """Save the changed preferences."""
        serializer.instance.email = serializer.validated_data.get("email", serializer.instance.email)
        preferences.choose_email(person=serializer.instance.owner, choice=serializer.instance.email)


class QuotaView(APIView):
    """A person's quota."""

    @extend_schema(responses=QuotaSerializer)
    def get(self, request: Request) -> Response:
        """Return the images and bytes in use, and their limits."""
        return Response(QuotaSerializer(quotas.usage_of(cast("User", request.user))).data)
