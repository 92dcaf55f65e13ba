"""The log leaves out the lines of tasks that beat starts every few seconds."""

import logging

import pytest

from uploads.upkeep.timetable import TIMETABLE

TASKS = sorted(f"uploads.recurring.{name}" for name in TIMETABLE)


def is_logged(logger: str, level: int, message: str) -> bool:
    """Return whether the filters of a logger let a record pass."""
    record = logging.LogRecord(logger, level, "", 0, message, None, None)
    return bool(logging.getLogger(logger).filter(record))


@pytest.mark.parametrize("logger", ["celery.app.trace", "celery.beat"])
@pytest.mark.parametrize("task", TASKS)
def test_recurring_task_is_logged_only_if_it_fails(logger: str, task: str) -> None:
    assert not is_logged(logger, logging.INFO, f"Task {task}[1] succeeded in 0.1s: None")
    assert is_logged(logger, logging.ERROR, f"Task {task}[1] raised unexpected: OSError()")


def test_other_tasks_are_logged() -> None:
    assert is_logged("celery.app.trace", logging.INFO, "Task uploads.tasks.notify_owner[1] succeeded")
