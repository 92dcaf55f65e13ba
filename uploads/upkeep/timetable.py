"""The timetable of beat: Celery's setting `beat_schedule` gets what a project has not set itself."""

from typing import Any

from celery import Celery
from celery.schedules import crontab

# A worker compares this time with its own clock, which may be minutes ahead of beat's. Of the messages that
# wait for a worker, the tasks heed only some.
_EXPIRES = {"expires": 3600}
TIMETABLE: dict[str, dict[str, Any]] = {
    "sweep": {"schedule": 5.0, "options": _EXPIRES},
    "collect": {"schedule": 10.0, "options": _EXPIRES},
    # At a fixed hour: a beat that loses its schedule file every day would never reach an interval of a day.
    "remove_unused": {"schedule": crontab(hour="4", minute="15")},
    "count_unknown_files": {"schedule": crontab(hour="4", minute="10")},
    "recount_quotas": {"schedule": crontab(hour="4", minute="20")},
    "erase_plain_keys": {"schedule": crontab(minute="30")},
    "end_records": {"schedule": crontab(hour="4", minute="50")},
    "check_sample": {"schedule": crontab(hour="4", minute="25")},
    "take_figures": {"schedule": crontab(hour="4", minute="35")},
    "report": {"schedule": crontab(minute="*/10"), "options": _EXPIRES},
    "clear_sessions": {"schedule": crontab(hour="4", minute="40")},
}


def install(app: Celery) -> None:
    """Add each recurring task under its own name, unless the project has an entry of that name."""
    for name, entry in TIMETABLE.items():
        task = f"uploads.recurring.{name}"
        app.conf.beat_schedule.setdefault(task, {"task": task, **entry})
