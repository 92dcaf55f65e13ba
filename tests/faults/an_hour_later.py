"""Let an hour pass for the webhooks that wait for another attempt. It runs in the site's environment."""

from datetime import timedelta

from django.db.models import F

from uploads.models import Delivery, Endpoint

HOUR = timedelta(hours=1)


def main() -> None:
    """Move everything that waits for an endpoint back by an hour."""
    Endpoint.objects.filter(resting_until__isnull=False).update(
        resting_until=F("resting_until") - HOUR, failing_since=F("failing_since") - HOUR
    )
    Delivery.objects.filter(channel=Delivery.Channel.WEBHOOK, delivered_at=None).update(
        next_attempt_at=F("next_attempt_at") - HOUR, queued_at=F("queued_at") - HOUR
    )


if __name__ == "__main__":
    main()
