"""The metrics that processes count: their names, labels and buckets. `docs/metrics.md` describes them."""

from dataclasses import dataclass
from itertools import product

# Upper limits in seconds: from the answer to a health check to the longest step.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
# A message may wait for an hour.
_WAITS = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A counter, or a histogram if it has `buckets`.

    `values` has the known values of each label. Their series begin with 0, because Prometheus sees no
    increase in a series whose first value is 1. A label without them is `()`.
    """

    name: str
    documentation: str
    labels: tuple[str, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()
    buckets: tuple[float, ...] = ()

    def known(self) -> list[tuple[str, ...]]:
        """Return the labels of the series that always exist."""
        return list(product(*self.values)) if len(self.values) == len(self.labels) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessGauge:
    """A value that each process has, and of which `/metrics` shows the sum of all live processes."""

    name: str
    documentation: str


UPLOADS_RECEIVED = Family(name="darkroom_uploads_received", documentation="Uploads received.")
UPLOADED_BYTES = Family(name="darkroom_uploaded_bytes", documentation="Bytes of the uploads received.")
UPLOADS_FINISHED = Family(
    name="darkroom_uploads_finished",
    documentation="Uploads that became ready or failed, each time.",
    labels=("result",),
    values=(("ready", "failed"),),
)
UPLOAD_FAILURES = Family(
    name="darkroom_upload_failures", documentation="Uploads that failed, by reason.", labels=("code",)
)
RENDITIONS_RENDERED = Family(
    name="darkroom_renditions_rendered",
    documentation="Renditions rendered and stored, by preset and format.",
    labels=("preset", "format"),
)
RENDERER_CRASHES = Family(
    name="darkroom_renderer_crashes",
    documentation="Renderers that a file or the system has ended, by kind.",
    labels=("kind",),
    values=(("crashed", "slow", "killed"),),
)
MISSING_FILES = Family(
    name="darkroom_missing_files", documentation="Requests for pictures whose file is missing in the storage."
)
STEP_SECONDS = Family(
    name="darkroom_step_seconds",
    documentation="Seconds of each part of the work on a picture.",
    labels=("step",),
    values=(("read", "decode", "resize", "encode", "write"),),
    buckets=_SECONDS,
)
QUEUE_WAIT_SECONDS = Family(
    name="darkroom_queue_wait_seconds",
    documentation="Seconds that messages have waited before a worker took them, by queue.",
    labels=("queue",),
    buckets=_WAITS,
)
TASKS = Family(
    name="darkroom_tasks",
    documentation="Executions of tasks, by Celery's state. RETRY is a task that is tried again.",
    labels=("task", "state"),
)
TASK_SECONDS = Family(
    name="darkroom_task_seconds",
    documentation="Seconds of each execution of a task.",
    labels=("task",),
    buckets=_SECONDS,
)
DELIVERIES = Family(
    name="darkroom_deliveries",
    documentation="Attempts to deliver a notice, by channel and result.",
    labels=("channel", "result"),
    values=(("email", "webhook"), ("delivered", "failed", "given_up")),
)
REQUESTS = Family(
    name="darkroom_requests",
    documentation="HTTP requests, by route, method and status.",
    labels=("route", "method", "status"),
)
RESPONSES = Family(
    name="darkroom_responses",
    documentation="HTTP responses, by the class of their status.",
    labels=("status_class",),
    values=(("2xx", "3xx", "4xx", "5xx", "none"),),
)
REQUEST_SECONDS = Family(
    name="darkroom_request_seconds",
    documentation="Seconds from the head of a request to the head of its response, by route.",
    labels=("route",),
    buckets=_SECONDS,
)
POOL_TIMEOUTS = Family(
    name="darkroom_database_pool_timeouts",
    documentation="Requests that got no database connection of the pool in time.",
)
SERIES_LEFT_OUT = Family(
    name="darkroom_series_left_out",
    documentation="Values that a process has not counted, because it had too many series.",
)
FAMILIES = (
    UPLOADS_RECEIVED,
    UPLOADED_BYTES,
    UPLOADS_FINISHED,
    UPLOAD_FAILURES,
    RENDITIONS_RENDERED,
    RENDERER_CRASHES,
    MISSING_FILES,
    STEP_SECONDS,
    QUEUE_WAIT_SECONDS,
    TASKS,
    TASK_SECONDS,
    DELIVERIES,
    REQUESTS,
    RESPONSES,
    REQUEST_SECONDS,
    POOL_TIMEOUTS,
    SERIES_LEFT_OUT,
)

EVENT_STREAMS = ProcessGauge(name="darkroom_event_streams", documentation="Event streams that are open.")
POOL_CONNECTIONS = ProcessGauge(
    name="darkroom_database_pool_connections", documentation="Database connections of the pools."
)
POOL_USED = ProcessGauge(
    name="darkroom_database_pool_used", documentation="Database connections of the pools that are in use."
)
POOL_LIMIT = ProcessGauge(
    name="darkroom_database_pool_limit", documentation="Database connections that the pools may open."
)
POOL_WAITING = ProcessGauge(
    name="darkroom_database_pool_waiting", documentation="Requests that wait for a database connection."
)
PROCESS_GAUGES = (EVENT_STREAMS, POOL_CONNECTIONS, POOL_USED, POOL_LIMIT, POOL_WAITING)
