"""The mails of a report: one for each member of staff, with retries, in the background."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.translation import gettext, override

from processing import clock
from processing.conf import darkroom
from processing.errors import TransientError
from processing.refusals import SENTENCES
from uploads import broker
from uploads.models import Preferences, Report, ReportMail, Step
from uploads.notices import mailbox, smtp_replies
from uploads.notices.email import MAIL_ERRORS
from uploads.notices.preferences import language_of

# Referenced by name, because `uploads.tasks` imports this module.
SEND = "uploads.tasks.send_report"
# Minutes until the next attempt; after the last one, the mail is given up.
_DELAYS = (10, 30, 60, 120, 240, 480)
# The number of mails that one run queues.
_BATCH = 200


class ReportNotSent(TransientError):
    """The mail server did not accept a report."""


def address(report: Report) -> None:
    """Create a mail for each active member of staff who wants reports."""
    staff = get_user_model().objects.filter(is_active=True, is_staff=True)
    declined = Preferences.objects.filter(reports=False)
    people = staff.exclude(pk__in=declined.values("owner")).order_by("pk")
    now = clock.now()
    mails = [
        ReportMail(report=report, person=person, next_attempt_at=now)
        for person in people
        if mailbox.address_of(person)
    ]
    ReportMail.objects.bulk_create(mails, ignore_conflicts=True)


def publish_due() -> None:
    """Queue the mails that are due. A repeated message finds nothing to send."""
    due = ReportMail.objects.filter(next_attempt_at__lte=clock.now(), person__is_staff=True)
    for pk in due.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:_BATCH]:
        message = current_app.signature(SEND, kwargs={"mail_id": pk})
        if not broker.publish(broker.in_queue(message, darkroom().notifications_queue)):
            # Beat queues the rest once the broker is available.
            return


def send(mail_id: int) -> None:
    """Send a mail unless that is done or under way; raise `ReportNotSent` after saving the next attempt."""
    mail = _claim(mail_id)
    if mail is None:
        return
    try:
        with override(language_of(mail.person)):
            message(mail).send()
    except MAIL_ERRORS as error:
        refused = smtp_replies.refusal(error)
        given_up = refused or mail.attempts > len(_DELAYS)
        _note(mail, last_error=str(error)[:500], **({"next_attempt_at": None} if given_up else {}))
        raise ReportNotSent(f"The report to user {mail.person_id} was not sent: {error}") from error
    _note(mail, sent_at=clock.now(), next_attempt_at=None, last_error="")


def message(mail: ReportMail) -> EmailMultiAlternatives:
    """Return the mail of a report in the active language, as text and as HTML."""
    words = {Report.Period.DAILY: gettext("Daily report"), Report.Period.WEEKLY: gettext("Weekly report")}
    report = mail.report
    context = {**shown(report), "title": words[Report.Period(report.period)], "site_url": darkroom().site_url}
    subject = f"{context['title']}: {date_format(report.last_day)}"
    # The id is derived from the mail, so that mail clients recognise a repeat.
    headers = {"Message-ID": f"<report-{mail.pk}@{urlsplit(darkroom().site_url).hostname}>"}
    text = render_to_string("uploads/mail/report.txt", context)
    found = EmailMultiAlternatives(subject, text, to=[mailbox.address_of(mail.person)], headers=headers)
    found.attach_alternative(render_to_string("uploads/mail/report.html", context), "text/html")
    return found


def shown(report: Report) -> dict[str, Any]:
    """Return the report with its names and reasons in the active language, for templates."""
    figures: dict[str, Any] = report.figures
    labels = dict(Step.Name.choices)
    return {
        "report": report,
        "figures": figures,
        "reasons": [{**one, "reason": SENTENCES.get(one["code"], "")} for one in figures["failures"]],
        "steps": [{**one, "label": labels.get(one["name"], one["name"])} for one in figures["steps"]],
    }


@transaction.atomic
def _claim(mail_id: int) -> ReportMail | None:
    """Return a due mail with its next attempt postponed, or None if it must not be sent now."""
    mails = ReportMail.objects.select_for_update(of=("self",)).select_related("report", "person")
    mail = mails.filter(pk=mail_id, sent_at=None, next_attempt_at__lte=clock.now()).first()
    if mail is None:
        return None
    if not mail.person.is_active or not mail.person.is_staff or not mailbox.address_of(mail.person):
        # The person has left the staff, or has no verified address any more.
        _note(mail, next_attempt_at=None)
        return None
    mail.attempts += 1
    delay = _DELAYS[min(mail.attempts, len(_DELAYS)) - 1]
    _note(mail, attempts=mail.attempts, next_attempt_at=clock.now() + timedelta(minutes=delay))
    return mail


def _note(mail: ReportMail, **fields: Any) -> None:
    """Save fields of a mail, if it still exists."""
    ReportMail.objects.filter(pk=mail.pk).update(**fields)
