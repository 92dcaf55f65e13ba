"""Endpoints: the URLs that receive a person's events, and the back-off for endpoints that fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from processing import clock
from processing.conf import darkroom
from processing.errors import Refusal
from uploads.models import Delivery, Endpoint, Event, Secret
from uploads.notices import outbox, url_safety, webhooks
from uploads.notices.announcements import announce_webhook
from uploads.notices.webhooks import NotTaken
from uploads.owners import owner_model

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The maximum number of endpoints for each person.
LIMIT = 10
# Seconds after which an unfinished attempt counts as dead. A request takes ten at most.
ATTEMPT_TIME = 60
# How long the previous secret still signs, so that a receiver has time to switch to the new one.
_OVERLAP = timedelta(hours=24)
# The maximum number of secrets that sign at the same time, however often they are rotated.
_SECRETS = 5
# Concurrent attempts for each endpoint: a slow one must leave most of a worker's threads to others.
_AT_ONCE = 2
# Seconds of back-off (here: rest): after the first failure, and at most. Each further failure doubles it.
_FIRST_REST, LONGEST_REST = 5, 3600
# An endpoint that fails for longer is disabled. This exceeds the retries of any delivery and a long weekend,
# so that an endpoint repaired by then is still enabled.
_PATIENCE = timedelta(days=5)


class TooManyEndpoints(Refusal):
    """The person already has the maximum number of endpoints."""

    code = "too_many_endpoints"
    title = "There are too many webhooks"
    status = HTTPStatus.CONFLICT


class EndpointDisabled(Refusal):
    """The endpoint is disabled, so nothing is sent to it."""

    code = "endpoint_disabled"
    title = "The webhook is disabled"
    status = HTTPStatus.CONFLICT


def endpoints_of(person: User) -> QuerySet[Endpoint]:
    """Return a person's endpoints, newest first."""
    return Endpoint.objects.filter(owner=person)


def check_url(url: str) -> None:
    """Raise `InvalidURL` for a URL that nothing can be sent to."""
    url_safety.check_url(url, private_allowed=darkroom().webhook_private_addresses)


@transaction.atomic
def add(*, owner: User, url: str, description: str = "", events: Sequence[str] = ()) -> Endpoint:
    """Create an endpoint with its first secret; raise `TooManyEndpoints`."""
    owner_model().objects.select_for_update(no_key=True).get(pk=owner.pk)
    if endpoints_of(owner).count() >= LIMIT:
        raise TooManyEndpoints(
            "You have reached the limit of {limit} webhooks. Delete one first.", limit=LIMIT
        )
    endpoint = Endpoint.objects.create(
        owner=owner, url=url, description=description, events=_in_order(events)
    )
    Secret.objects.create(endpoint=endpoint, value=webhooks.new_secret())
    return endpoint


@transaction.atomic
def change(*, endpoint: Endpoint, enabled: bool | None = None, **fields: Any) -> Endpoint:
    """Change an endpoint's `url`, `description`, `events` or `enabled`; return the endpoint.

    Deliveries that waited while it was disabled are sent after it is enabled. Enabling it, or a new URL,
    resets its failures.
    """
    locked = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    if "events" in fields:
        fields["events"] = _in_order(fields["events"])
    if fields.get("url", locked.url) != locked.url or (enabled and not locked.enabled):
        locked.failures, locked.failing_since, locked.resting_until = 0, None, None
    for name, value in fields.items():
        setattr(locked, name, value)
    if enabled is True:
        locked.disabled_at, locked.disabled_reason = None, ""
    if enabled is False and locked.enabled:
        locked.disabled_at, locked.disabled_reason = clock.now(), Endpoint.Reason.OWNER
    locked.save()
    return locked


def disable_all(*, owner: User) -> int:
    """Disable a person's endpoints, because the password was changed; return their number.

    The owner can enable trusted ones again. The notice of the password change covers all of them.
    """
    enabled = endpoints_of(owner).filter(disabled_at=None)
    return enabled.update(disabled_at=clock.now(), disabled_reason=Endpoint.Reason.PASSWORD)


@transaction.atomic
def rotate(*, endpoint: Endpoint) -> None:
    """Give an endpoint a new secret; the previous one also signs for another day."""
    Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    now = clock.now()
    endpoint.secrets.filter(expires_at=None).update(expires_at=now + _OVERLAP)
    Secret.objects.create(endpoint=endpoint, value=webhooks.new_secret())
    kept = list(webhooks.signing_secrets(endpoint).values_list("pk", flat=True)[:_SECRETS])
    endpoint.secrets.exclude(pk__in=kept).delete()


@transaction.atomic
def send_test(*, endpoint: Endpoint) -> Delivery:
    """Send a test event to an endpoint, even during its rest; raise `EndpointDisabled`."""
    _wake(endpoint)
    event = announce_webhook(owner=endpoint.owner, name=Event.Name.WEBHOOK_TEST, data=_told_of(endpoint))
    return webhooks.create_delivery(event=event, endpoint=endpoint)


@transaction.atomic
def send_again(*, delivery: Delivery) -> None:
    """Send a webhook again under the same id, whatever its state; raise `EndpointDisabled`."""
    assert delivery.endpoint is not None
    Delivery.objects.filter(pk=delivery.pk).update(
        attempts=0, next_attempt_at=clock.now(), queued_at=None, delivered_at=None, failed_at=None
    )
    _wake(delivery.endpoint)
    outbox.publish_on_commit(delivery)


def take_turn(endpoint_id: Any) -> bool:
    """Return whether an attempt may begin now; call this in a transaction.

    A failing endpoint gets a single attempt when its rest is over. Its other deliveries keep waiting.
    """
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    now = clock.now()
    resting = endpoint.resting_until is not None and endpoint.resting_until > now
    if not endpoint.enabled or resting or _under_way(endpoint) >= _AT_ONCE:
        return False
    if endpoint.failures:
        endpoint.resting_until = now + timedelta(seconds=ATTEMPT_TIME)
        endpoint.save(update_fields=["resting_until"])
    return True


def note_success(endpoint_id: Any) -> None:
    """Record a success, which ends an endpoint's rest."""
    Endpoint.objects.filter(pk=endpoint_id, failures__gt=0).update(
        failures=0, failing_since=None, resting_until=None
    )


def note_failure(endpoint_id: Any, error: NotTaken) -> None:
    """Record a failure: back off exponentially, and disable the endpoint in the end."""
    endpoint = Endpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    if endpoint is None:
        return
    now = clock.now()
    rest = max(_FIRST_REST * 2 ** min(endpoint.failures, 10), error.retry_after)
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.resting_until = now + timedelta(seconds=min(rest, LONGEST_REST))
    if endpoint.enabled and (error.gone or now - endpoint.failing_since > _PATIENCE):
        _give_up(endpoint, Endpoint.Reason.GONE if error.gone else Endpoint.Reason.FAILING)
    endpoint.save()


def _wake(endpoint: Endpoint) -> None:
    """End an endpoint's rest, because a person asked for a delivery."""
    if not Endpoint.objects.filter(pk=endpoint.pk, disabled_at=None).update(resting_until=None):
        raise EndpointDisabled("The webhook is disabled. Enable it first.")


def _give_up(endpoint: Endpoint, reason: Endpoint.Reason) -> None:
    endpoint.disabled_at, endpoint.disabled_reason = clock.now(), reason
    details = {
        Endpoint.Reason.GONE: gettext(
            "The endpoint answered 410 Gone. Enable the webhook again if that was a mistake."
        ),
        Endpoint.Reason.FAILING: gettext(
            "The endpoint failed for five days. Repair it, then enable the webhook again."
        ),
    }
    data = {**_told_of(endpoint), "reason": reason, "detail": details[reason]}
    announce_webhook(owner=endpoint.owner, name=Event.Name.WEBHOOK_DISABLED, data=data)


def _under_way(endpoint: Endpoint) -> int:
    begun = clock.now() - timedelta(seconds=ATTEMPT_TIME)
    return endpoint.deliveries.filter(delivered_at=None, started_at__gt=begun).count()


def _told_of(endpoint: Endpoint) -> dict[str, str]:
    return {"endpoint": str(endpoint.pk), "url": endpoint.url}


def _in_order(events: Sequence[str]) -> list[str]:
    return [name for name in Event.OF_UPLOADS if name in events]
