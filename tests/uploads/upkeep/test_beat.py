"""beat goes on when the clock of its machine is set back, or was set back while it did not run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery.beat import ScheduleEntry
from django.conf import settings

from myproject.celery import app
from uploads.upkeep.beat import Scheduler

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Beat:
    """beat's scheduler without a broker. Its clock stands still until the test moves it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.sent = NOON, list[str]()
        self._path = path
        monkeypatch.setattr(app, "now", lambda: self.now)
        monkeypatch.setattr(Scheduler, "apply_entry", self._send)

    def _send(self, entry: ScheduleEntry, producer: object = None) -> None:
        self.sent.append(str(entry.name))

    @contextmanager
    def running(self) -> Iterator[Callable[[], float]]:
        """Yield a function that sends what is due, and returns the seconds until more is."""
        scheduler = Scheduler(app, schedule_filename=str(self._path), Producer=object)
        scheduler.__dict__["producer"] = None

        def send_due() -> float:
            while (seconds := scheduler.tick()) <= 0:
                pass
            return seconds

        yield send_due
        scheduler.close()

    def sent_within(self, seconds: int, send_due: Callable[[], float]) -> set[str]:
        """Let this time pass, second by second, and return the names of the tasks that were sent."""
        self.sent.clear()
        for _ in range(seconds):
            send_due()
            self.now += timedelta(seconds=1)
        return set(self.sent)


@pytest.fixture
def beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beat:
    return Beat(tmp_path / "schedule", monkeypatch)


def test_it_is_the_scheduler_of_this_site() -> None:
    assert f"{Scheduler.__module__}:{Scheduler.__qualname__}" == settings.CELERY_BEAT_SCHEDULER


@pytest.mark.parametrize("step", [timedelta(seconds=20), HOUR, 365 * 24 * HOUR])
def test_clock_that_is_set_back_does_not_silence_beat(beat: Beat, step: timedelta) -> None:
    with beat.running() as send_due:
        assert beat.sent_within(12, send_due) >= {"uploads.recurring.sweep", "uploads.recurring.collect"}
        beat.now -= step
        # beat sleeps until the next task is due, and looks at its clock only then.
        assert send_due() <= 5
        # A task of the hour that comes again is sent again.
        assert beat.sent_within(12, send_due) >= {"uploads.recurring.sweep", "uploads.recurring.collect"}


def test_schedule_file_from_the_future_does_not_silence_beat(beat: Beat) -> None:
    with beat.running() as send_due:
        beat.sent_within(12, send_due)
    beat.now -= HOUR
    with beat.running() as send_due:
        assert send_due() <= 5
        assert beat.sent_within(12, send_due) == {"uploads.recurring.sweep", "uploads.recurring.collect"}


def test_nightly_task_runs_at_its_hour_after_the_clock_was_a_year_ahead(beat: Beat) -> None:
    beat.now = NOON + 365 * 24 * HOUR
    with beat.running() as send_due:
        beat.sent_within(12, send_due)
        beat.now = NOON.replace(hour=4, minute=9, second=55)
        assert "uploads.recurring.count_unknown_files" in beat.sent_within(70, send_due)
