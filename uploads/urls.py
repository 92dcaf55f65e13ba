"""Where people find the pages."""

from django.urls import include, path

from uploads import (
    account_pages,
    image_pages,
    language_pages,
    notice_pages,
    pages,
    staff_pages,
    webhook_pages,
)
from uploads.accounts import SignInLinkView

urlpatterns = [
    path("", pages.home, name="home"),
    path("cards/", pages.cards, name="cards"),
    path("uploads/selected/<slug:action>", pages.act_on_selected, name="act_on_selected"),
    path("uploads/restore", pages.restore, name="restore"),
    path("uploads/<uuid:upload_id>/", image_pages.image, name="image"),
    path("uploads/<uuid:upload_id>/<slug:action>", image_pages.act, name="act_on_image"),
    path("notices/", notice_pages.notices, name="notices"),
    path("notices/latest", notice_pages.latest, name="latest_notices"),
    path("notices/unread", notice_pages.unread, name="unread_notices"),
    path("notices/read", notice_pages.read, name="read_notices"),
    path("account/", account_pages.account, name="account"),
    path("account/email", account_pages.choose_email, name="choose_email"),
    path("account/webhooks/", webhook_pages.webhook_list, name="webhooks"),
    path("account/webhooks/<uuid:endpoint_id>/", webhook_pages.webhook, name="webhook"),
    path("account/webhooks/<uuid:endpoint_id>/<slug:action>", webhook_pages.act, name="webhook_action"),
    path(
        "account/webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/resend",
        webhook_pages.resend,
        name="resend",
    ),
    path("status/", staff_pages.status, name="status"),
    path("status/figures", staff_pages.status_figures, name="status_figures"),
    path("status/retry", staff_pages.retry_all, name="status_retry_all"),
    path("status/retry/<uuid:upload_id>", staff_pages.retry, name="status_retry"),
    path("i18n/setlang/", language_pages.choose, name="set_language"),
    path("accounts/link/", SignInLinkView.as_view(), name="sign_in_link"),
    path("accounts/", include("allauth.urls")),
]
