"""Where the guard asks, each address for the one of the site that is the same."""

from django.conf import settings
from django.urls import include, path, re_path

from uploads.receiving.admission import AdmissionView, form, other

urlpatterns = [
    path("api/uploads/", AdmissionView.as_view()),
    path("", form),
    re_path("", other),
    # Never reached: the names of all addresses are looked up here.
    path("", include(settings.ROOT_URLCONF)),
]
