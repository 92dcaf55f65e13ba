"""The mail server: a connection, the password and the sender. No mail is sent."""

import smtplib
import ssl
from contextlib import closing
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend

_OK = 250


def problem() -> str:
    """Return why the mail server accepts no mail, or ""; mail that goes to files is well."""
    server = get_connection()
    if not isinstance(server, EmailBackend):
        return ""
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    if sender.endswith("@localhost"):
        return f"DEFAULT_FROM_EMAIL is {sender}. Set it to an address of your domain."
    found = _refusal(server, sender)
    return f"The mail server {server.host}:{server.port} (EMAIL_URL) {found}" if found else ""


def _refusal(server: EmailBackend, sender: str) -> str:
    try:
        with closing(server):
            server.open()
            assert server.connection is not None
            server.connection.ehlo_or_helo_if_needed()
            status, words = server.connection.mail(sender)
    except smtplib.SMTPAuthenticationError as error:
        return f"rejects the user or the password: {_answer(error.smtp_code, error.smtp_error)}"
    except ssl.SSLError as error:
        return f"has no valid certificate, or expects smtp+ssl:// instead of smtp+tls://: {error}"
    except (smtplib.SMTPException, OSError) as error:
        return f"does not work: {error}"
    if status != _OK:
        return f"refuses the sender {sender} (DEFAULT_FROM_EMAIL): {_answer(status, words)}"
    return ""


def _answer(status: int, words: bytes | str) -> str:
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{status} {text}"
