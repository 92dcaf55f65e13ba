"""The URLs of the API."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from uploads.api.files import UploadFileView
from uploads.api.openapi.docs import DocsView, SchemaView
from uploads.api.private_links import PrivateLinkViewSet
from uploads.api.problems import not_found
from uploads.api.tokens import TokenViewSet
from uploads.api.views import EventStreamView, NoticeViewSet, QuotaView, SettingsView, UploadViewSet
from uploads.api.webhooks import EndpointViewSet, WebhookDeliveryViewSet

app_name = "api"

router = SimpleRouter(use_regex_path=False)
router.register("uploads", UploadViewSet, basename="upload")
router.register("notices", NoticeViewSet, basename="notice")
router.register("tokens", TokenViewSet, basename="token")
router.register("webhooks", EndpointViewSet, basename="webhook")
router.register("webhooks/<uuid:webhook>/deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")

urlpatterns = [
    *router.urls,
    path("uploads/<uuid:pk>/file/", UploadFileView.as_view(), name="upload-file"),
    path(
        "uploads/<uuid:upload>/links/",
        PrivateLinkViewSet.as_view({"get": "list", "post": "create", "delete": "destroy_all"}),
        name="link-list",
    ),
    path(
        "uploads/<uuid:upload>/links/<uuid:pk>/",
        PrivateLinkViewSet.as_view({"delete": "destroy"}),
        name="link-detail",
    ),
    path("events/", EventStreamView.as_view(), name="events"),
    path("settings/", SettingsView.as_view(), name="settings"),
    path("quota/", QuotaView.as_view(), name="quota"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    re_path("", not_found),
]
