"""deploy.programs: the programs that `make run` starts."""

import pytest
from django.conf import settings

from deploy.programs import WORKER_OPTIONS, worker


@pytest.mark.parametrize("queue", ["thumbnails", "renditions", "bulk"])
def test_worker_decodes_in_a_child_process_that_limits_can_end(queue: str) -> None:
    """Threads share memory and cannot be killed. Limits need a child process."""
    assert "--pool" not in worker(queue=queue, log_level="INFO").command


def test_every_queue_has_a_worker() -> None:
    served = {worker(queue=queue, log_level="INFO").command for queue in WORKER_OPTIONS}
    words = ",".join(word for command in served for word in command).split(",")
    assert {queue.name for queue in settings.CELERY_TASK_QUEUES} <= set(words)


def niceness(queue: str) -> int:
    return int(worker(queue=queue, log_level="INFO").environment["RENDERER_NICENESS"])


def test_renderers_of_sizes_yield_to_thumbnails_and_those_of_bulk_work_to_both() -> None:
    assert niceness("notifications") == niceness("thumbnails") == 0
    assert 0 < niceness("renditions") < niceness("bulk")
