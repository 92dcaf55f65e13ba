"""The API's schema, and the page that shows it."""

from threading import Lock
from typing import Any

from django.templatetags.static import static
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from uploads.api.base import DarkroomView
from uploads.api.openapi.schema import SETTINGS

_one_at_a_time = Lock()
_DIST = "drf_spectacular_sidecar/swagger-ui-dist"


class SchemaView(SpectacularAPIView):
    """The schema of Darkroom's API alone, also beside another API of the project."""

    authentication_classes = DarkroomView.authentication_classes
    permission_classes = (AllowAny,)
    metadata_class = None
    schema = None  # the schema leaves itself and the page out
    custom_settings = SETTINGS

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the schema.

        drf-spectacular changes the settings of the process meanwhile, so two threads must not do so at once.
        """
        with _one_at_a_time:
            answer: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return answer


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI, from the site itself."""

    authentication_classes = DarkroomView.authentication_classes
    permission_classes = (AllowAny,)
    metadata_class = None
    schema = None  # the schema leaves itself and the page out
    title = SETTINGS["TITLE"]
    url_name = "uploads:api:schema"
    template_name = "uploads/swagger_ui.html"

    @staticmethod
    def _swagger_ui_resource(filename: str) -> str:
        return static(f"{_DIST}/{filename}")

    @staticmethod
    def _swagger_ui_favicon() -> str:
        return static(f"{_DIST}/favicon-32x32.png")
