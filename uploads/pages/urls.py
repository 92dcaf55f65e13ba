"""The URLs of the pages."""

from django.urls import path

from uploads.pages import account, gallery, image, language, notices, status, tokens, webhooks

urlpatterns = [
    path("", gallery.home, name="home"),
    path("cards/", gallery.cards, name="cards"),
    path("uploads/selected/<slug:action>", gallery.act_on_selected, name="act_on_selected"),
    path("uploads/restore", gallery.restore, name="restore"),
    path("uploads/purge", gallery.purge, name="purge"),
    path("uploads/<uuid:upload_id>/", image.image, name="image"),
    path("uploads/<uuid:upload_id>/links/<uuid:link_id>/revoke", image.revoke_link, name="revoke_link"),
    path("uploads/<uuid:upload_id>/replace", image.replace, name="replace"),
    path("uploads/<uuid:upload_id>/<slug:action>", image.act, name="act_on_image"),
    path("notices/", notices.notices, name="notices"),
    path("notices/latest", notices.latest, name="latest_notices"),
    path("notices/unread", notices.unread, name="unread_notices"),
    path("notices/read", notices.read, name="read_notices"),
    path("account/", account.account, name="account"),
    path("account/email", account.choose_email, name="choose_email"),
    path("account/reports", account.choose_reports, name="choose_reports"),
    path("account/tokens/revoke", tokens.revoke_all, name="revoke_tokens"),
    path("account/tokens/<uuid:token_id>/revoke", tokens.revoke, name="revoke_token"),
    path("account/webhooks/", webhooks.webhook_list, name="webhooks"),
    path("account/webhooks/<uuid:endpoint_id>/", webhooks.webhook, name="webhook"),
    path("account/webhooks/<uuid:endpoint_id>/<slug:action>", webhooks.act, name="webhook_action"),
    path(
        "account/webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/resend",
        webhooks.resend,
        name="resend",
    ),
    path("status/", status.status, name="status"),
    path("status/figures", status.status_figures, name="status_figures"),
    path("status/retry", status.retry_all, name="status_retry_all"),
    path("status/retry/<uuid:upload_id>", status.retry, name="status_retry"),
    path("i18n/setlang/", language.choose, name="set_language"),
]
