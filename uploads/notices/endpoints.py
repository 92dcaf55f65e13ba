"""Endpoints: where a person's programs are told of events, and how an endpoint that fails is spared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from processing.conf import darkroom
from processing.errors import Refusal
from uploads.models import Delivery, Endpoint, Event, Secret
from uploads.notices import outbox, url_safety, webhooks
from uploads.notices.announcements import announce_webhook
from uploads.notices.webhooks import NotTaken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Endpoints that a person may have.
LIMIT = 10
# Seconds after which an attempt that has not come back is taken for dead; ten is what one takes at most.
ATTEMPT_TIME = 60
# How long the former secret still signs, so that a receiver can be given the new one in peace.
_OVERLAP = timedelta(hours=24)
# How many secrets sign at a time, however often somebody rotates them.
_SECRETS = 5
# Attempts at one endpoint at a time: a slow one must leave most of a worker's threads to others.
_AT_ONCE = 2
# Seconds of the rest after a failure, doubled by each further one.
_FIRST_REST, _LONGEST_REST = 5, 3600
# Longer than any delivery is tried, so that whoever repairs it meanwhile finds it enabled, also after
# a long weekend.
_PATIENCE = timedelta(days=5)


class TooManyEndpoints(Refusal):
    """The person has as many endpoints as anybody may have."""

    code = "too_many_endpoints"
    title = "There are too many webhooks"
    status = HTTPStatus.CONFLICT


class EndpointDisabled(Refusal):
    """Nothing is sent to an endpoint that is disabled."""

    code = "endpoint_disabled"
    title = "The webhook is disabled"
    status = HTTPStatus.CONFLICT


def endpoints_of(person: User) -> QuerySet[Endpoint]:
    """Return a person's endpoints, newest first."""
    return Endpoint.objects.filter(owner=person)


def check_url(url: str) -> None:
    """Raise `InvalidAddress` for an address that nothing can be sent to."""
    url_safety.check_address(url, private_allowed=darkroom().webhook_private_addresses)


@transaction.atomic
def add(*, owner: User, url: str, description: str = "", events: Sequence[str] = ()) -> Endpoint:
    """Make an endpoint with its first secret; raise `TooManyEndpoints`."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=owner.pk)
    if endpoints_of(owner).count() >= LIMIT:
        raise TooManyEndpoints("You have {limit} webhooks, which is the most; delete one first.", limit=LIMIT)
    endpoint = Endpoint.objects.create(
        owner=owner, url=url, description=description, events=_in_order(events)
    )
    Secret.objects.create(endpoint=endpoint, value=webhooks.new_secret())
    return endpoint


@transaction.atomic
def change(*, endpoint: Endpoint, enabled: bool | None = None, **fields: Any) -> Endpoint:
    """Change an endpoint's `url`, `description` or `events`, and whether it is `enabled`; return it.

    What waited while it was disabled is sent once it is enabled. Another address starts without failures.
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
        locked.disabled_at, locked.disabled_reason = timezone.now(), Endpoint.Reason.OWNER
    locked.save()
    return locked


@transaction.atomic
def rotate(*, endpoint: Endpoint) -> None:
    """Give an endpoint a new secret; the former one signs beside it for a day."""
    Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    now = timezone.now()
    endpoint.secrets.filter(expires_at=None).update(expires_at=now + _OVERLAP)
    Secret.objects.create(endpoint=endpoint, value=webhooks.new_secret())
    kept = list(webhooks.signing_secrets(endpoint).values_list("pk", flat=True)[:_SECRETS])
    endpoint.secrets.exclude(pk__in=kept).delete()


@transaction.atomic
def send_test(*, endpoint: Endpoint) -> Delivery:
    """Send an endpoint an event that means nothing, even while it rests; raise `EndpointDisabled`."""
    _wake(endpoint)
    event = announce_webhook(owner=endpoint.owner, name=Event.Name.WEBHOOK_TEST, data=_told_of(endpoint))
    return webhooks.create_delivery(event=event, endpoint=endpoint)


@transaction.atomic
def send_again(*, delivery: Delivery) -> None:
    """Send a webhook again under its id, whatever became of it; raise `EndpointDisabled`."""
    assert delivery.endpoint is not None
    Delivery.objects.filter(pk=delivery.pk).update(
        attempts=0, next_attempt_at=timezone.now(), queued_at=None, delivered_at=None, failed_at=None
    )
    _wake(delivery.endpoint)
    outbox.publish_on_commit(delivery)


def take_turn(endpoint_id: Any) -> bool:
    """Tell whether an attempt may begin now, in the caller's transaction.

    Of an endpoint that fails one attempt is let through when its rest is over, to see whether it
    takes something again; all others go on resting.
    """
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    now = timezone.now()
    resting = endpoint.resting_until is not None and endpoint.resting_until > now
    if not endpoint.enabled or resting or _under_way(endpoint) >= _AT_ONCE:
        return False
    if endpoint.failures:
        endpoint.resting_until = now + timedelta(seconds=ATTEMPT_TIME)
        endpoint.save(update_fields=["resting_until"])
    return True


def note_success(endpoint_id: Any) -> None:
    """Note that an endpoint has taken something: it rests no more."""
    Endpoint.objects.filter(pk=endpoint_id, failures__gt=0).update(
        failures=0, failing_since=None, resting_until=None
    )


def note_failure(endpoint_id: Any, error: NotTaken) -> None:
    """Let an endpoint rest that did not take something, the longer the more often; give it up in the end."""
    endpoint = Endpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    if endpoint is None:
        return
    now = timezone.now()
    rest = max(_FIRST_REST * 2 ** min(endpoint.failures, 10), error.retry_after)
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.resting_until = now + timedelta(seconds=min(rest, _LONGEST_REST))
    if endpoint.enabled and (error.gone or now - endpoint.failing_since > _PATIENCE):
        _give_up(endpoint, Endpoint.Reason.GONE if error.gone else Endpoint.Reason.FAILING)
    endpoint.save()


def _wake(endpoint: Endpoint) -> None:
    """End an endpoint's rest, for a person is looking at it."""
    if not Endpoint.objects.filter(pk=endpoint.pk, disabled_at=None).update(resting_until=None):
        raise EndpointDisabled("Enable the webhook first; nothing is sent to it while it is disabled.")


def _give_up(endpoint: Endpoint, reason: Endpoint.Reason) -> None:
    endpoint.disabled_at, endpoint.disabled_reason = timezone.now(), reason
    details = {
        Endpoint.Reason.GONE: gettext("It answered 410 Gone. Enable it again if that was a mistake."),
        Endpoint.Reason.FAILING: gettext("It took nothing for five days. Repair it and enable it again."),
    }
    data = {**_told_of(endpoint), "reason": reason, "detail": details[reason]}
    announce_webhook(owner=endpoint.owner, name=Event.Name.WEBHOOK_DISABLED, data=data)


def _under_way(endpoint: Endpoint) -> int:
    begun = timezone.now() - timedelta(seconds=ATTEMPT_TIME)
    return endpoint.deliveries.filter(delivered_at=None, started_at__gt=begun).count()


def _told_of(endpoint: Endpoint) -> dict[str, str]:
    return {"endpoint": str(endpoint.pk), "url": endpoint.url}


def _in_order(events: Sequence[str]) -> list[str]:
    return [name for name in Event.OF_UPLOADS if name in events]
