"""Leases: one worker at a time runs a step for an original. Attempts and crashes are counted."""

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from processing import clock
from processing.conf import darkroom
from processing.errors import TransientError
from processing.models import Lease, Original

# Back-off in seconds between failed attempts: doubles each time, up to ten minutes.
_FIRST_DELAY, LONGEST_DELAY = 4, 600
# Seconds after the step's time limit until its worker is presumed dead.
_MARGIN = 10


class LeaseHeld(TransientError):
    """Another worker is running this step for this original."""


def acquire(original: Original, step: str) -> Lease:
    """Return a lease for the step.

    Raises `LeaseHeld` while another worker holds it. An expired lease counts as a crash.
    """
    with transaction.atomic():
        lease = _locked_row(original, step)
        now = clock.now()
        if lease.expires_at is not None:
            if lease.expires_at > now:
                raise LeaseHeld(f"Another worker is running {lease}.")
            lease.crashes += 1
        lease.attempts += 1
        lease.token = uuid.uuid4()
        lease.expires_at = now + duration()
        lease.next_attempt_at = None
        lease.save()
    return lease


def duration() -> timedelta:
    """Return the time after which a lease expires."""
    return timedelta(seconds=darkroom().step_time_limit + _MARGIN)


def _locked_row(original: Original, step: str) -> Lease:
    """Return the lease's row, locked; create it if it is missing, and again if it is removed meanwhile."""
    while True:
        new = Lease(original=original, step=step, token=uuid.uuid4())
        Lease.objects.bulk_create([new], ignore_conflicts=True)
        lease = Lease.objects.select_for_update().filter(original=original, step=step).first()
        if lease is not None:
            return lease


def is_spent(lease: Lease) -> bool:
    """Return whether the step has used up its crashes or attempts."""
    most_crashes, most_attempts = darkroom().max_crashes, darkroom().max_attempts
    return bool(lease.crashes >= most_crashes or lease.attempts > most_attempts)


def end(lease: Lease) -> bool:
    """Remove the lease of a step that is done or has failed for good; return whether it was still held.

    It is no longer held if it expired and another worker took over, or if the original is gone.
    """
    deleted, _ = Lease.objects.filter(pk=lease.pk, token=lease.token).delete()
    return bool(deleted)


def postpone(lease: Lease, error: Exception) -> None:
    """Release the lease and schedule the next attempt."""
    delay = min(_FIRST_DELAY * 2 ** (lease.attempts - 1), LONGEST_DELAY)
    Lease.objects.filter(pk=lease.pk, token=lease.token).update(
        expires_at=None,
        next_attempt_at=clock.now() + timedelta(seconds=delay),
        last_error=str(error)[:500],
    )


def set_aside(lease: Lease, error: Exception) -> None:
    """Release the lease of a step whose next attempt is published now.

    The sweeper publishes it again only if that message was lost, because it may wait for long.
    """
    Lease.objects.filter(pk=lease.pk, token=lease.token).update(
        expires_at=None,
        next_attempt_at=clock.now() + timedelta(seconds=LONGEST_DELAY),
        last_error=str(error)[:500],
    )


def put_off(original: Original, step: str, error: Exception) -> None:
    """Schedule the next attempt of a step that could not begin.

    Raises `LeaseHeld` while another worker holds its lease.
    """
    postpone(acquire(original, step), error)


def forget(original: Original, step: str) -> None:
    """Remove the lease of a step that waits for another attempt, because it needs none any more."""
    Lease.objects.filter(original=original, step=step, expires_at=None).delete()


def hand_back(lease: Lease) -> None:
    """Release the lease of an interrupted step: it may restart at once, and the attempt is not counted."""
    Lease.objects.filter(pk=lease.pk, token=lease.token).update(
        expires_at=None, next_attempt_at=clock.now(), attempts=F("attempts") - 1
    )
