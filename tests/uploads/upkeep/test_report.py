"""A report is made once for each period, and mailed once to each member of staff who wants it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.urls import reverse

from processing import clock
from tests.conftest import Send
from tests.inbox import Inbox
from uploads import broker
from uploads.models import Event, NightlyFigures, Quota, Report, ReportMail, Step
from uploads.notices import preferences, reports
from uploads.notices.reports import ReportNotSent
from uploads.upkeep import report

pytestmark = pytest.mark.django_db

# A Monday.
NOW = datetime(2026, 3, 9, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    for day, size in ((1, 1000), (2, 1000), (9, 5000)):
        NightlyFigures.objects.create(day=date(2026, 3, day), bytes_of_originals=size, unknown_files=2)


@pytest.fixture
def staff(db: None) -> User:
    return make_staff("staff")


def make_staff(name: str, **fields: Any) -> User:
    """Return a member of staff with a verified address."""
    person = User.objects.create_user(name, f"{name}@example.com", is_staff=True, **fields)
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


def choose(settings: Any, period: str) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "REPORT": period}


def send_all() -> None:
    for mail in ReportMail.objects.filter(next_attempt_at__lte=clock.now()):
        reports.send(mail.pk)


@pytest.mark.parametrize(
    ("period", "first_day"), [("daily", date(2026, 3, 8)), ("weekly", date(2026, 3, 2)), ("off", None)]
)
def test_latest_period_is_reported_once(period: str, first_day: date | None, settings: Any) -> None:
    choose(settings, period)
    for _twice in range(2):
        report.make_due()
    expected = [] if first_day is None else [(period, first_day, date(2026, 3, 8))]
    assert list(Report.objects.values_list("period", "first_day", "last_day")) == expected


def test_report_waits_for_its_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW - timedelta(hours=2))
    report.make_due()
    assert not Report.objects.exists()


def test_report_on_a_missed_monday_is_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=3))
    report.make_due()
    assert Report.objects.get().last_day == date(2026, 3, 8)


def test_new_site_has_nothing_to_report() -> None:
    NightlyFigures.objects.exclude(day=date(2026, 3, 9)).delete()
    report.make_due()
    assert not Report.objects.exists()


def test_figures(send: Send, owner: User) -> None:
    upload = send()
    Event.objects.all().delete()
    at = NOW - timedelta(days=2)
    for name, data in ((Event.Name.RECEIVED, {}), (Event.Name.FAILED, {"code": "unreadable_image"})):
        Event.objects.create(owner=owner, upload=upload, name=name, data=data, created_at=at)
    Event.objects.create(owner=owner, name=Event.Name.READY, created_at=NOW)
    Step.objects.create(
        upload=upload, name="resize_image", started_at=at, finished_at=at + timedelta(seconds=3)
    )
    Quota.objects.update_or_create(owner=owner, defaults={"images": 9, "max_images": 10})
    report.make_due()
    figures = Report.objects.get().figures
    assert (figures["received"], figures["ready"], figures["failed"]) == (1, 0, 1)
    assert figures["failures"] == [{"code": "unreadable_image", "number": 1}]
    assert (figures["grown"], figures["unknown_files"]) == (4000, 2)
    assert figures["steps"] == [{"name": "resize_image", "median": 3, "slow": 3, "slowest": 3}]
    (near,) = figures["near_limit"]
    assert (near["owner"], near["images"], near["image_limit"]) == (owner.username, 9, 10)


def test_each_member_of_staff_gets_one_mail(staff: User, owner: User, inbox: Inbox) -> None:
    away = make_staff("away")
    preferences.choose_reports(person=away, wanted=False)
    make_staff("gone", is_active=False)
    for _twice in range(2):
        report.make_due()
        send_all()
    assert inbox.recipients == ["staff@example.com"]
    (message,) = inbox.messages
    assert message["Subject"] == "Weekly report: March 8, 2026"
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
    assert "- Growth: 3.9" in parts["text/plain"]
    for text in parts.values():
        assert f"http://127.0.0.1:8000{reverse('uploads:status')}" in text
    assert "<caption>Storage</caption>" in parts["text/html"]


def test_mail_is_in_the_language_of_its_reader(staff: User, inbox: Inbox) -> None:
    preferences.choose_language(person=staff, language="de")
    report.make_due()
    send_all()
    (message,) = inbox.messages
    assert message["Subject"] == "Wochenbericht: 8. März 2026"


def test_unavailable_server_is_tried_again(
    staff: User, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.make_due()
    mail = ReportMail.objects.get()
    inbox.answer = "451 try again later"
    with pytest.raises(ReportNotSent):
        reports.send(mail.pk)
    mail.refresh_from_db()
    assert mail.next_attempt_at == NOW + timedelta(minutes=10)
    # It is not due yet.
    reports.send(mail.pk)
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(minutes=10))
    inbox.answer = "250 taken"
    reports.send(mail.pk)
    mail.refresh_from_db()
    assert len(inbox.messages) == 1
    assert not ReportMail.objects.exclude(next_attempt_at=None, last_error="").exists()


def test_refused_address_is_given_up(staff: User, inbox: Inbox) -> None:
    report.make_due()
    inbox.recipient_answer = "550 5.1.1 no such user"
    with pytest.raises(ReportNotSent):
        send_all()
    assert ReportMail.objects.get().next_attempt_at is None


def test_mail_is_given_up_after_its_last_attempt(staff: User, inbox: Inbox) -> None:
    report.make_due()
    ReportMail.objects.update(attempts=6)
    inbox.answer = "451 try again later"
    with pytest.raises(ReportNotSent):
        send_all()
    assert ReportMail.objects.get().next_attempt_at is None


def test_person_who_left_the_staff_gets_nothing(staff: User, inbox: Inbox) -> None:
    report.make_due()
    User.objects.update(is_staff=False)
    send_all()
    assert inbox.messages == []
    assert ReportMail.objects.get().next_attempt_at is None


def test_due_mails_are_queued(staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[Any] = []

    def publish(message: Any) -> bool:
        queued.append(message)
        return True

    monkeypatch.setattr(broker, "publish", publish)
    report.make_due()
    (message,) = queued
    assert (message.task, message.kwargs) == (reports.SEND, {"mail_id": ReportMail.objects.get().pk})
    assert message.options["queue"] == "notifications"


def test_status_page_shows_the_report(staff: User, client: Any) -> None:
    report.make_due()
    client.force_login(staff)
    page = client.get(reverse("uploads:status")).content.decode()
    assert "From March 2, 2026 to March 8, 2026." in page


def test_staff_may_leave_the_reports(staff: User, client: Any) -> None:
    client.force_login(staff)
    address = reverse("uploads:choose_reports")
    client.post(address)
    assert not preferences.wants_reports(staff)
    client.post(address, {"reports": "on"})
    assert preferences.wants_reports(staff)
