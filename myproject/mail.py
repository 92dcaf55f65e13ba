"""Mail on its way: handed to a worker on commit, or sent on the spot while the broker is away."""

import logging
from collections.abc import Sequence
from email.utils import make_msgid
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from celery import Task, shared_task
from celery.result import AsyncResult
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from uploads.broker import publish
from uploads.notices.email import MAIL_ERRORS

logger = logging.getLogger(__name__)


def send_in_background(*, subject: str, body: str, html_body: str = "", to: Sequence[str]) -> None:
    """Have a message sent by a worker once the present transaction is committed.

    The message has its id from the start, so that a message sent twice is recognised as one.
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
    """Show monitors the id of a message alone: its body may hold a link that resets a password."""

    def apply_async(
        self, args: Any = None, kwargs: Any = None, *values: Any, **options: Any
    ) -> AsyncResult[None]:
        """Publish the message, also when it is tried again."""
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
    """Send one message; a mail server that is away is asked again for about twenty minutes."""
    _deliver(subject=subject, body=body, html_body=html_body, to=to, message_id=message_id)


def _publish(**message: Any) -> None:
    if publish(deliver_mail.s(**message)):
        return
    # Nothing but this request knows of the message, so it is sent here, within the mail server's
    # time-out, rather than lost.
    try:
        _deliver(**message)
    except MAIL_ERRORS:
        # What the person asked for, such as an account, is done and must not fail for the mail.
        logger.exception("Mail %s could not be sent.", message["message_id"])


def _deliver(*, subject: str, body: str, html_body: str, to: list[str], message_id: str) -> None:
    message = EmailMultiAlternatives(subject, body, to=to, headers={"Message-ID": message_id})
    if html_body:
        message.attach_alternative(html_body, "text/html")
    message.send()
