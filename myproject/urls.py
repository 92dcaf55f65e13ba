"""The URLs of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from myproject.accounts import adapter, addresses, sign_in_link
from myproject.leaving import deletion, export
from myproject.staticfiles import FaviconView
from uploads import problems
from uploads.receiving import unparsed

handler400 = unparsed.bad_request
handler500 = problems.server_error
# allauth calls this after too many attempts.
handler429 = adapter.too_many_attempts

urlpatterns = [
    # Browsers request this path for pages without the site's `<head>`, such as the API's.
    path("favicon.ico", FaviconView.as_view(), name="favicon"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("account/verify/<str:key>", addresses.verify_again, name="verify_again"),
    path("account/export", export.export, name="export"),
    path("account/delete", deletion.delete, name="delete_account"),
    path("account/deleted", deletion.deleted, name="deleted_account"),
    path("", include("uploads.urls")),
]

if settings.DEMO:
    urlpatterns.insert(0, path("accounts/link/", sign_in_link.SignInLinkView.as_view(), name="sign_in_link"))
