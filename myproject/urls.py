"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from myproject import accounts

# allauth asks for it where somebody tries too often.
handler429 = accounts.too_many_attempts

urlpatterns = [
    # Pages without a head of ours, such as the API's, are asked for it here.
    path("favicon.ico", RedirectView.as_view(url="/static/uploads/favicon.svg"), name="favicon"),
    path("admin/", admin.site.urls),
    path("accounts/link/", accounts.SignInLinkView.as_view(), name="sign_in_link"),
    path("accounts/", include("allauth.urls")),
    path("", include("uploads.urls")),
]
