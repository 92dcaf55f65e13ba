"""The URLs of the app; each package has its own."""

from django.urls import include, path

app_name = "uploads"

urlpatterns = [
    path("api/", include("uploads.api.urls")),
    path("", include("uploads.forms.urls")),
    path("", include("uploads.serving.urls")),
    path("", include("uploads.monitoring.urls")),
    path("", include("uploads.pages.urls")),
]
