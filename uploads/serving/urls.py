"""The URLs of pictures."""

from django.urls import path

from uploads.serving import pictures

urlpatterns = [
    path("i/<uuid:upload_id>/<str:name>", pictures.picture, name="picture"),
    path("renditions/doctor/<str:name>", pictures.probe, name="probe"),
    path("renditions/<path:path>", pictures.rendition, name="rendition"),
    path("uploads/<uuid:upload_id>/original", pictures.original, name="original"),
]
