"""The URLs of the app; each package has its own."""

from django.urls import URLPattern, URLResolver, include, path

from uploads.api.availability import missing_apps

app_name = "uploads"

urlpatterns: list[URLPattern | URLResolver] = [
    *([] if missing_apps() else [path("api/", include("uploads.api.urls"))]),
    path("", include("uploads.forms.urls")),
    path("", include("uploads.serving.urls")),
    path("", include("uploads.monitoring.urls")),
    path("", include("uploads.pages.urls")),
]
