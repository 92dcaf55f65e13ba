"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from uploads import accounts, health, pictures

# allauth asks for it where somebody tries too often.
handler429 = accounts.too_many_attempts

urlpatterns = [
    path("api/", include("uploads.api_urls")),
    path("i/<uuid:upload_id>/<str:name>", pictures.picture, name="picture"),
    path("renditions/<path:path>", pictures.rendition, name="rendition"),
    path("uploads/<uuid:upload_id>/original", pictures.original, name="original"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    # Pages without a head of ours, such as the API's, are asked for it here.
    path("favicon.ico", RedirectView.as_view(url="/static/uploads/favicon.svg"), name="favicon"),
    path("admin/", admin.site.urls),
    path("", include("uploads.urls")),
]
