"""Leases: one worker at a time, and every attempt is counted."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from processing import leases
from processing.errors import TransientError
from processing.leases import LeaseHeld
from processing.models import Lease, Original
from tests.processing.conftest import StoreOriginal
from tests.threads import run_at_once

STEP = "generate_thumbnails"


@pytest.fixture
def original(store_original: StoreOriginal) -> Original:
    return store_original()


def expire(lease: Lease) -> None:
    Lease.objects.filter(pk=lease.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.slow
def test_lease_lasts_longer_than_the_time_limit_of_its_step(
    original: Original, settings: Settings, stopped_clock: datetime
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "STEP_TIME_LIMIT": 50}
    lease = leases.acquire(original, STEP)
    assert (lease.attempts, lease.crashes) == (1, 0)
    assert lease.expires_at == stopped_clock + timedelta(seconds=60)


def test_held_lease_is_not_given_twice(original: Original) -> None:
    lease = leases.acquire(original, STEP)
    with pytest.raises(LeaseHeld):
        leases.acquire(original, STEP)
    assert Lease.objects.get() == lease
    assert Lease.objects.get().attempts == 1


def test_each_step_and_original_has_its_own_lease(
    original: Original, store_original: StoreOriginal, make_image: object
) -> None:
    leases.acquire(original, STEP)
    assert leases.acquire(original, "resize_image").attempts == 1


def test_expired_lease_counts_as_a_crash(original: Original) -> None:
    first = leases.acquire(original, STEP)
    expire(first)
    second = leases.acquire(original, STEP)
    assert (second.pk, second.attempts, second.crashes) == (first.pk, 2, 1)
    assert second.token != first.token


def test_returned_lease_does_not_count_as_a_crash(original: Original) -> None:
    leases.postpone(leases.acquire(original, STEP), OSError("away"))
    again = leases.acquire(original, STEP)
    assert (again.attempts, again.crashes, again.next_attempt_at) == (2, 0, None)


def test_delay_doubles_up_to_ten_minutes(original: Original, stopped_clock: datetime) -> None:
    delays = []
    for _ in range(12):
        lease = leases.acquire(original, STEP)
        leases.postpone(lease, OSError("away"))
        lease.refresh_from_db()
        assert lease.next_attempt_at is not None
        assert lease.expires_at is None
        delays.append((lease.next_attempt_at - stopped_clock).total_seconds())
    assert delays == [4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]


def test_reason_of_the_last_failure_is_truncated(original: Original) -> None:
    leases.postpone(leases.acquire(original, STEP), OSError("x" * 9999))
    assert Lease.objects.get().last_error == "x" * 500


def test_ended_lease_is_deleted_with_its_counts(original: Original) -> None:
    leases.end(leases.acquire(original, STEP))
    assert not Lease.objects.exists()
    assert leases.acquire(original, STEP).attempts == 1


def test_overtaken_worker_cannot_end_or_return_the_lease_of_another(original: Original) -> None:
    slow = leases.acquire(original, STEP)
    expire(slow)
    current = leases.acquire(original, STEP)
    leases.end(slow)
    leases.postpone(slow, OSError("away"))
    leases.hand_back(slow)
    kept = Lease.objects.get()
    assert (kept.token, kept.expires_at, kept.last_error) == (current.token, current.expires_at, "")


def test_step_is_spent_after_its_crashes_or_attempts(original: Original, settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_CRASHES": 3, "MAX_ATTEMPTS": 5}
    lease = leases.acquire(original, STEP)
    spent = []
    for lease.attempts, lease.crashes in [(1, 0), (3, 2), (4, 3), (5, 0), (6, 0)]:
        spent.append(leases.is_spent(lease))
    assert spent == [False, False, True, False, True]


def test_lease_held_is_a_transient_error() -> None:
    assert issubclass(LeaseHeld, TransientError)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_workers_gets_the_lease(original: Original) -> None:
    outcomes = run_at_once(*[lambda: leases.acquire(original, STEP)] * 6)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LeaseHeld"] * 5 + ["NoneType"]
    assert Lease.objects.get().attempts == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_lease_may_end_while_another_worker_asks_for_it(original: Original) -> None:
    def take_and_end() -> None:
        for _ in range(40):
            try:
                lease = leases.acquire(original, STEP)
            except LeaseHeld:
                continue
            leases.end(lease)

    assert run_at_once(*[take_and_end] * 4) == [None] * 4
    assert not Lease.objects.exists()


def test_handed_back_lease_counts_no_attempt(original: Original) -> None:
    leases.postpone(leases.acquire(original, STEP), OSError("away"))
    leases.hand_back(leases.acquire(original, STEP))
    lease = Lease.objects.get()
    assert (lease.expires_at, lease.attempts, lease.crashes) == (None, 1, 0)
    assert lease.next_attempt_at is not None
    assert lease.next_attempt_at <= timezone.now()
    assert leases.acquire(original, STEP).attempts == 2
