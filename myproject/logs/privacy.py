"""No log line shows an email address, or a path in which a link may be."""

import logging
import re

# An address, but not the id of a mail (`email.utils.make_msgid`), by which mail servers find it.
_ADDRESS = re.compile(r"(?<![\w.+-])(?!\d+\.\d+\.\d+@)[\w.+'-]+@[\w-]+\.[\w.-]*\w")
_HIDDEN = "(address)"
# These name workers, such as `bulk@photos.example`.
_OF_WORKERS = ("celery.worker", "celery.apps", "celery.beat", "celery.pool")


def event_of(record: logging.LogRecord) -> str:
    """Return the message of a record, in one line and without personal data."""
    if record.name == "django.request" and isinstance(record.args, tuple) and record.args:
        # The other argument is the path, which may be a link. The line of the request shows its route.
        return str(record.args[0])
    text = " ".join(record.getMessage().splitlines())
    return text if record.name.startswith(_OF_WORKERS) else without_addresses(text)


def without_addresses(text: str) -> str:
    """Return a text in which no email address can be read."""
    return _ADDRESS.sub(_HIDDEN, text) if "@" in text else text
