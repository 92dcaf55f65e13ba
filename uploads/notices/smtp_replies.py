"""The replies of mail servers: which of them refuse an address for good.

A reply of 500 to 599 is permanent (RFC 5321, section 4.2.1). It can also be about us: our server, sign-in,
sender or message. Such a reply says nothing about the address, and an operator may remove its cause.
"""

import re
import smtplib

# Replies to commands that the server does not know or allow (RFC 5321, section 4.2.2), or does not accept
# without a sign-in (RFC 4954, section 6; RFC 2554, section 6).
_ABOUT_US = {500, 502, 503, 504, 530, 534, 535, 538, 555}
# Enhanced codes (RFC 3463, section 3) whose subject is the mail system, the protocol, the content or a
# policy, such as a blocklist or a forbidden relay; and those about the sender's address.
_SUBJECTS_ABOUT_US = {"3", "5", "6", "7"}
_CODES_ABOUT_US = {"1.7", "1.8"}
# The mailbox or the domain has another owner now (RFC 7293, section 8).
_CODES_ABOUT_THE_ADDRESS = {"7.17", "7.18"}
# Words of servers that send no enhanced codes.
_WORDS_ABOUT_US = re.compile(
    r"relay|authenticat|sender|spam|black|block|policy|prohibit|reputation|dmarc|dkim|\bspf\b", re.IGNORECASE
)
_ENHANCED = re.compile(r"5\.(\d{1,3})\.(\d{1,3})\b")
_KEPT = 300


def refusal(error: Exception) -> str:
    """Return the reply that refuses the recipients for good, or "" if a later attempt may succeed.

    Only replies to RCPT and DATA are about recipients.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            replies: list[tuple[int, bytes | str]] = list(error.recipients.values())
        case smtplib.SMTPDataError():
            replies = [(error.smtp_code, error.smtp_error)]
        case _:
            return ""
    texts = [(code, _readable(text)) for code, text in replies]
    if texts and all(_is_about_the_address(code, text) for code, text in texts):
        return " ".join(map(str, texts[0]))
    return ""


def _is_about_the_address(code: int, text: str) -> bool:
    if not 500 <= code <= 599 or code in _ABOUT_US:
        return False
    enhanced = _ENHANCED.match(text)
    if enhanced is None:
        return not _WORDS_ABOUT_US.search(text)
    subject, detail = enhanced.groups()
    if f"{subject}.{detail}" in _CODES_ABOUT_THE_ADDRESS:
        return True
    return subject not in _SUBJECTS_ABOUT_US and f"{subject}.{detail}" not in _CODES_ABOUT_US


def _readable(text: bytes | str) -> str:
    """Return a reply on one line, without unprintable characters."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())[:_KEPT]
