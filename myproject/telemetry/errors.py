"""Errors for Sentry: exceptions and the log lines of the level ERROR, without personal data."""

import logging
import re
from typing import Any, cast

import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.transport import HttpTransport
from sentry_sdk.types import Event, Hint

from myproject.logs.formats import FIELDS
from myproject.logs.privacy import without_addresses
from processing import correlation

logger = logging.getLogger(__name__)

# Seconds that a process waits at its end for the last events.
_LAST_SECONDS = 2
_FILE_NAME = re.compile(r"[^\s/'\"]+\.(?:jpe?g|png|gif|webp|avif|hei[cf]|tiff?|bmp)\b", re.IGNORECASE)
# The extra data that an event may have.
_EXTRA = set(FIELDS) - {"file_name"}


class Transport(HttpTransport):  # type: ignore[misc]  # where the package is missing, its classes are unknown
    """Sentry's transport, which sends in a thread of its own, and reports an unavailable server once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_failing = False

    def on_dropped_event(self, reason: str) -> None:
        """Log that events are lost, until one is accepted again."""
        if not self._is_failing:
            self._is_failing = True
            logger.warning("Sentry does not accept events (%s). They are dropped until it does.", reason)

    def _handle_response(self, response: Any, envelope: Any) -> None:
        super()._handle_response(response, envelope)
        if 200 <= response.status < 300:
            self._is_failing = False


def start(dsn: str) -> None:
    """Send errors to this address from now on."""
    # A failing attempt is reported by `Transport`.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    sentry_sdk.init(
        dsn=dsn,
        transport=Transport,
        # It replaces a function that workers have imported before. Celery logs the same errors.
        disabled_integrations=[CeleryIntegration()],
        before_send=without_personal_data,
        before_breadcrumb=lambda _crumb, _hint: None,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        shutdown_timeout=_LAST_SECONDS,
    )


def without_personal_data(event: Event, _hint: Hint) -> Event:
    """Return an event with the ids of its request, and without addresses, names of files and links."""
    now = correlation.current()
    event["tags"] = {"request_id": now.request_id, "upload_id": now.upload_id}
    event["extra"] = {name: value for name, value in event.get("extra", {}).items() if name in _EXTRA}
    event.pop("request", None)
    event.pop("user", None)
    for exception in event.get("exception", {}).get("values", []):
        exception["value"] = _hidden(str(exception.get("value", "")))
    for entry in (event.get("logentry"), cast(Any, event).get("message")):
        if isinstance(entry, dict):
            entry |= {name: _hidden(str(entry[name])) for name in ("message", "formatted") if name in entry}
            entry["params"] = []
    return event


def _hidden(text: str) -> str:
    return _FILE_NAME.sub("(file)", without_addresses(text))
