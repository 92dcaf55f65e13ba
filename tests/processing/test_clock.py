"""All times in the database are by its own clock, whatever the clocks of the hosts say."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from processing import clock
from processing.clock import ahead

# The fixture `_one_clock` replaces `clock.ahead`.
READ_THE_DATABASE = ahead
# The time that the status page shows while the database is unavailable.
ALLOWED = {"processing/clock.py", "uploads/pages/status.py"}

SetClock = Callable[[timedelta], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Return a function that sets the clock of this host, but not that of the database."""
    read_seconds, read_now = time.time, timezone.now

    def set_by(shift: timedelta) -> None:
        monkeypatch.setattr(time, "time", lambda: read_seconds() + shift.total_seconds())
        monkeypatch.setattr(timezone, "now", lambda: read_now() + shift)

    return set_by


@pytest.fixture
def _real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the database's clock, and forget the last reading."""
    monkeypatch.setattr(clock, "ahead", READ_THE_DATABASE)
    monkeypatch.setattr(clock, "_readings", clock._Readings())


def database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


def between(read: Callable[[], datetime]) -> Iterator[datetime]:
    """Yield the database's time before, the read time, and the database's time after."""
    yield database_time()
    yield read()
    yield database_time()


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.usefixtures("_real")
@pytest.mark.parametrize("minutes", [5, -5, 60 * 24 * 365])
def test_the_clock_of_the_host_does_not_matter(set_clock: SetClock, minutes: int) -> None:
    tolerance = timedelta(seconds=clock._TOLERANCE)
    set_clock(timedelta(minutes=minutes))
    before, read, after = between(clock.now)
    assert before - tolerance <= read <= after + tolerance


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.usefixtures("_real")
def test_clock_that_is_set_while_the_process_runs_does_not_matter(set_clock: SetClock) -> None:
    tolerance = timedelta(seconds=clock._TOLERANCE)
    for minutes in (0, -5, 5):
        set_clock(timedelta(minutes=minutes))
        before, read, after = between(clock.now)
        assert before - tolerance <= read <= after + tolerance


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.usefixtures("_real")
def test_database_is_asked_once_for_ten_seconds(
    django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [time.monotonic()]
    seconds = time.time() - moments[0]
    monkeypatch.setattr(time, "monotonic", lambda: moments[0])
    monkeypatch.setattr(time, "time", lambda: seconds + moments[0])
    for _ in range(2):
        with django_assert_num_queries(1):
            for _ in range(50):
                clock.now()
        moments[0] += 10


@pytest.mark.any_database
@pytest.mark.django_db
@pytest.mark.usefixtures("_real")
def test_clock_of_the_host_is_that_of_sqlite(django_assert_num_queries: Any, stopped_clock: datetime) -> None:
    with django_assert_num_queries(0):
        assert clock.now() == stopped_clock


def test_no_code_that_writes_rows_reads_another_clock() -> None:
    root = Path(settings.BASE_DIR)
    modules = [path for app in ("uploads", "processing") for path in (root / app).rglob("*.py")]
    reading = {
        str(path.relative_to(root))
        for path in modules
        if "migrations" not in path.parts
        and re.search(r"timezone\.now|datetime\.(now|utcnow|today)|auto_now|\bNow\(", path.read_text())
    }
    assert reading == ALLOWED
