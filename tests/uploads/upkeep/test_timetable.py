"""Beat of any project starts the recurring tasks."""

from celery import Celery

from uploads.upkeep import timetable
from uploads.upkeep.timetable import TIMETABLE


def test_project_gets_an_entry_for_each_task_and_keeps_its_own() -> None:
    own = {"task": "uploads.recurring.sweep", "schedule": 60.0}
    with Celery("shop", set_as_current=False) as app:
        theirs = {"task": "theirs", "schedule": 1.0}
        app.conf.beat_schedule = {"uploads.recurring.sweep": own, "theirs": theirs}
        for _twice in range(2):
            timetable.install(app)
        schedule = app.conf.beat_schedule
    assert schedule.keys() == {"theirs", *(f"uploads.recurring.{name}" for name in TIMETABLE)}
    assert schedule["uploads.recurring.sweep"] == own
    assert schedule["uploads.recurring.collect"]["task"] == "uploads.recurring.collect"
