"""The base of the API's views: how they sign in, what they accept, and how they answer errors.

A project's own `REST_FRAMEWORK` is for its own API, so it changes nothing here.
"""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import SessionAuthentication
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from uploads.api.authentication import InScope, TokenAuthentication
from uploads.api.problems import exception_handler
from uploads.api.senders import HasOwner
from uploads.receiving import form


class DarkroomView(APIView):
    """A view of Darkroom's API."""

    # Token authentication comes first, so that unauthenticated requests get a 401 with a challenge.
    authentication_classes = (TokenAuthentication, SessionAuthentication)
    permission_classes = (HasOwner, InScope)
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer,)
    throttle_classes = ()
    filter_backends: Sequence[type[Any]] = ()
    versioning_class = None
    # The schema describes the API. A response to OPTIONS could reveal too much.
    metadata_class = None
    schema = AutoSchema()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Prepare the request for files, before it is parsed."""
        form.prepare(request)
        return super().initialize_request(request, *args, **kwargs)

    def get_exception_handler(self) -> Any:
        """Return the function that turns exceptions into problems."""
        return exception_handler
