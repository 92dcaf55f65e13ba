"""Webhooks as in Standard Webhooks 1.0: signed requests that carry events to endpoints."""

import json
import secrets
from base64 import b64encode
from collections.abc import Iterable
from time import monotonic

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from standardwebhooks import Webhook

from processing import clock
from processing.conf import darkroom
from processing.errors import TransientError
from uploads.models import Delivery, Endpoint, Event, Secret
from uploads.notices import http_client, outbox
from uploads.notices.http_client import Answer, NoAnswer

# Standard Webhooks asks for 24 to 64 random bytes.
_SECRET_BYTES = 32
_GONE = 410
# The statuses for which `Retry-After` is honoured.
_PACED = (429, 503)


class NotTaken(TransientError):
    """The endpoint did not accept the event.

    `gone` means that it never will. `retry_after` is in seconds.
    """

    def __init__(self, reason: str, *, gone: bool = False, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.gone, self.retry_after = gone, retry_after


def create_deliveries(event: Event) -> None:
    """Create a delivery of an upload's event for each of the owner's endpoints that wants it."""
    if event.name not in Event.OF_UPLOADS:
        return
    for endpoint in Endpoint.objects.filter(owner=event.owner_id, disabled_at=None):
        if not endpoint.events or event.name in endpoint.events:
            create_delivery(event=event, endpoint=endpoint)


def create_delivery(*, event: Event, endpoint: Endpoint) -> Delivery:
    """Create a delivery of an event to one endpoint; it is sent after the commit."""
    return outbox.put(
        event=event,
        endpoint=endpoint,
        channel=Delivery.Channel.WEBHOOK,
        subject=event.name,
        at=clock.now(),
    )


def send(delivery: Delivery) -> None:
    """Send an event to its endpoint, and set the response's status on the delivery.

    Raises `NotTaken`.
    """
    answer = _post(delivery)
    delivery.status_code = answer.status
    if not 200 <= answer.status < 300:
        retry_after = answer.retry_after if answer.status in _PACED else 0
        words = _("The endpoint answered %(status)s.") % {"status": answer.status}
        raise NotTaken(
            f"{words} {answer.excerpt}".strip(), gone=answer.status == _GONE, retry_after=retry_after
        )


def new_secret() -> str:
    """Return a new secret in the format of Standard Webhooks."""
    return "whsec_" + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signing_secrets(endpoint: Endpoint) -> QuerySet[Secret]:
    """Return the secrets that are valid now, newest first."""
    return endpoint.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()))


def _post(delivery: Delivery) -> Answer:
    assert delivery.endpoint is not None
    body = _body(delivery.event)
    values = signing_secrets(delivery.endpoint).values_list("value", flat=True)
    delivery.status_code, started = None, monotonic()
    try:
        return http_client.post(
            url=delivery.endpoint.url,
            headers=_headers(delivery, body, values),
            body=body.encode(),
            private_allowed=darkroom().webhook_private_addresses,
        )
    except NoAnswer as error:
        raise NotTaken(str(error)) from error
    finally:
        delivery.duration = round(monotonic() - started, 3)


def _body(event: Event) -> str:
    """Return the same text for each attempt, whatever order the database keeps the members in."""
    return json.dumps(event.payload(), sort_keys=True, separators=(",", ":"))


def _headers(delivery: Delivery, body: str, values: Iterable[str]) -> dict[str, str]:
    now = clock.now()
    signatures = [Webhook(value).sign(msg_id=str(delivery.pk), timestamp=now, data=body) for value in values]
    return {
        "Content-Type": "application/json",
        "webhook-id": str(delivery.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
