"""Mail is sent by a worker after the commit, or by the request while the broker is unavailable."""

import logging
from collections.abc import Sequence
from email.utils import make_msgid
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from allauth.account.utils import filter_users_by_email
from celery import Task, shared_task
from celery.result import AsyncResult
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from uploads.broker import publish
from uploads.notices import smtp_replies
from uploads.notices.announcements import announce_refused_address
from uploads.notices.email import MAIL_ERRORS

logger = logging.getLogger(__name__)


def send_in_background(*, subject: str, body: str, html_body: str = "", to: Sequence[str]) -> None:
    """Have a worker send a message after the current transaction commits.

    The message gets its id here, so that mail clients recognise a repeat.
    """
    message_id = make_msgid(domain=urlsplit(settings.SITE_URL).hostname)
    transaction.on_commit(
        partial(
            _publish,
            subject=subject,
            body=body,
            html_body=html_body,
            to=list(to),
            message_id=message_id,
        )
    )


class ConfidentialTask(Task[Any, None]):
    """Show monitors only the id of a message, because its body may contain a password reset link."""

    def apply_async(
        self, args: Any = None, kwargs: Any = None, *values: Any, **options: Any
    ) -> AsyncResult[None]:
        """Publish the message or a retry of it."""
        shown = {"message_id": kwargs["message_id"]}
        return super().apply_async(args, kwargs, *values, **{**options, "kwargsrepr": repr(shown)})


@shared_task(
    base=ConfidentialTask,
    name="uploads.mail.send_mail",
    ignore_result=True,
    acks_late=True,
    autoretry_for=MAIL_ERRORS,
    retry_backoff=5,
    retry_backoff_max=600,
    max_retries=8,
)
def deliver_mail(*, subject: str, body: str, html_body: str, to: list[str], message_id: str) -> None:
    """Send one message; retry for up to about twenty minutes while the mail server is unavailable."""
    _deliver(subject=subject, body=body, html_body=html_body, to=to, message_id=message_id)


def _publish(**message: Any) -> None:
    if publish(deliver_mail.s(**message)):
        return
    # No row stores this message, so send it here, within the mail server's time-out, instead of losing it.
    try:
        _deliver(**message)
    except MAIL_ERRORS:
        # The person's request, such as a sign-up, has succeeded and must not fail because of the mail.
        logger.exception("Mail %s could not be sent.", message["message_id"])


def _deliver(*, subject: str, body: str, html_body: str, to: list[str], message_id: str) -> None:
    """Send a message. If its address is refused for good, note that, and do not raise the error."""
    message = EmailMultiAlternatives(subject, body, to=to, headers={"Message-ID": message_id})
    if html_body:
        message.attach_alternative(html_body, "text/html")
    try:
        message.send()
    except MAIL_ERRORS as error:
        reply = smtp_replies.refusal(error)
        if not reply:
            raise
        logger.warning("Mail %s was refused for good: %s", message_id, reply)
        for address in to:
            for person in filter_users_by_email(address):
                announce_refused_address(owner=person, address=address, reply=reply)
