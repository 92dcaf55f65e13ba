"""The scheduler of beat, which goes on when the clock of its machine is set back."""

from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry


class Scheduler(PersistentScheduler):
    """Celery's scheduler, without times in the future.

    Celery would wait until an entry's last run is in the past again: as long as the clock was set back.
    """

    def setup_schedule(self) -> None:
        """Read the schedule file, which may be from before the clock was set back."""
        super().setup_schedule()
        self._drop_future_runs()

    def tick(self, *values: Any, **options: Any) -> float:
        """Send a due task; return the seconds until the next one."""
        if self._drop_future_runs():
            # The heap holds the times of the next runs, which are too late as well.
            self.populate_heap()
        return super().tick(*values, **options)

    def _drop_future_runs(self) -> bool:
        """Let entries that ran last in the future have run now; return whether there were any."""
        ahead = [entry for entry in self.schedule.values() if _ran_in_the_future(entry)]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        return bool(ahead)


def _ran_in_the_future(entry: ScheduleEntry) -> bool:
    return entry.last_run_at is not None and entry.last_run_at > entry.default_now()
