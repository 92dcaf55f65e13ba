"""The doctor's words for a mail server that accepts no mail."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.ports import any_free_port
from tests.inbox import Inbox, mail_server
from uploads.monitoring.doctor import mail

pytestmark = pytest.mark.any_database


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    settings.DEFAULT_FROM_EMAIL = "Photos <photos@photos.example>"
    with mail_server(settings) as inbox:
        yield inbox


def test_mail_that_goes_to_files_is_well() -> None:
    assert mail.problem() == ""


def test_working_server_is_well_and_gets_no_mail(inbox: Inbox) -> None:
    assert mail.problem() == ""
    assert inbox.messages == []


def test_default_sender_is_reported(inbox: Inbox, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Darkroom <darkroom@localhost>"
    assert mail.problem().startswith("DEFAULT_FROM_EMAIL is darkroom@localhost. Set it to")


def test_refused_sender_is_reported(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(
        _self: Inbox,
        _server: SMTP,
        _session: Session,
        _envelope: Envelope,
        _address: str,
        _options: list[str],
    ) -> str:
        return "550 not this domain"

    monkeypatch.setattr(Inbox, "handle_MAIL", refuse, raising=False)
    assert (
        "refuses the sender photos@photos.example (DEFAULT_FROM_EMAIL): 550 not this domain" in mail.problem()
    )


def test_server_without_sign_in_is_reported(inbox: Inbox, settings: Any) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "ada", "secret"
    found = mail.problem()
    assert "(EMAIL_URL) does not work: " in found
    assert "secret" not in found


def test_unreachable_server_is_reported(inbox: Inbox, settings: Any) -> None:
    settings.EMAIL_PORT = any_free_port()
    assert f"The mail server 127.0.0.1:{settings.EMAIL_PORT} (EMAIL_URL) does not work: " in mail.problem()
