"""Count what Celery and the spans of the work report."""

import time
from typing import Any

from celery import Task
from celery.signals import task_postrun, task_prerun

from processing.metrics.counters import COUNTERS
from processing.metrics.families import (
    QUEUE_WAIT_SECONDS,
    RENDITIONS_RENDERED,
    STEP_SECONDS,
    TASK_SECONDS,
    TASKS,
)
from processing.spans import Span

# When the tasks of this process have begun, by their ids.
_begun: dict[str, float] = {}


def note_span(span: Span) -> None:
    """Count a part of the work that has ended."""
    if span.name == "queue_wait":
        COUNTERS.observe(QUEUE_WAIT_SECONDS, str(span.attributes.get("queue", "")), seconds=span.seconds)
        return
    COUNTERS.observe(STEP_SECONDS, span.name, seconds=span.seconds)
    if span.name == "write" and span.attributes.get("kind") == "rendition" and not span.error:
        recipe = str(span.attributes["preset"]), str(span.attributes["format"])
        COUNTERS.count(RENDITIONS_RENDERED, *recipe)


@task_prerun.connect
def note_begin(*, task_id: str, **_options: Any) -> None:
    """Note when a task begins."""
    if COUNTERS.is_on:
        _begun[task_id] = time.monotonic()


@task_postrun.connect
def note_end(*, task_id: str, task: Task[Any, Any], state: str | None, **_options: Any) -> None:
    """Count a task that has ended, with its state."""
    begun = _begun.pop(task_id, None)
    if begun is not None:
        COUNTERS.count(TASKS, str(task.name), state or "UNKNOWN")
        COUNTERS.observe(TASK_SECONDS, str(task.name), seconds=time.monotonic() - begun)
