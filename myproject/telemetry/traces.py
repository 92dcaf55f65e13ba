"""Traces for OpenTelemetry: requests, tasks, database, S3, and the spans of the processing.

The context of a trace goes through the headers of Celery's messages. Attributes have ids and numbers: no
addresses, no names of files, no values of SQL.
"""

import atexit
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from celery import Task
from celery.signals import (
    before_task_publish,
    task_postrun,
    task_prerun,
    worker_process_shutdown,
    worker_shutdown,
)
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from myproject.logs.requests import LINE, Line, is_from_a_proxy
from processing import correlation, spans
from uploads.receiving.body_guard import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)

# Seconds that one export may take, with its retries.
_EXPORT_SECONDS = 5
_PROPAGATOR = TraceContextTextMapPropagator()
_HEADERS = ("traceparent", "tracestate")
# Balancers and Prometheus send these all the time.
_ROUTINE = ("/healthz", "/readyz", "/metrics")
_TRACER = trace.get_tracer("darkroom")
# Functions that send the last spans of this process.
_ENDS: list[Callable[[], None]] = []


class Exporter(SpanExporter):  # type: ignore[misc]  # where the package is missing, its classes are unknown
    """Exports spans, and reports once that nothing accepts them. It runs in a thread of its own."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; they are dropped if that fails."""
        result = self._inner.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._is_failing:
            logger.warning("OTEL_EXPORTER_OTLP_ENDPOINT accepts no traces. They are dropped until it does.")
        self._is_failing = failed
        return result

    def shutdown(self) -> None:
        """End an export that is under way."""
        self._inner.shutdown()

    def give_up(self) -> None:
        """End an export that is under way if the last one has failed, so that the process can end."""
        if self._is_failing:
            self._inner.shutdown()


def start() -> None:
    """Send traces from now on, as the variables `OTEL_…` say.

    Web and worker processes send their last spans before they end. Commands do not, so that they end at once.
    """
    os.environ.setdefault("OTEL_SERVICE_NAME", "darkroom")
    # `Exporter` reports a failure, instead of a line for each attempt.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    timeout = None if "OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ else _EXPORT_SECONDS
    exporter = Exporter(OTLPSpanExporter(timeout=timeout))
    processor = BatchSpanProcessor(exporter)
    # The events of a span are exceptions, whose texts may contain anything. Logs and Sentry have them.
    provider = TracerProvider(
        resource=Resource.create(), span_limits=SpanLimits(max_events=0), shutdown_on_exit=False
    )
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    BotocoreInstrumentor().instrument(tracer_provider=provider)
    spans.subscribe(_record)
    _connect()

    def end(**_options: Any) -> None:
        exporter.give_up()
        processor.shutdown()

    _ENDS.append(end)
    worker_process_shutdown.connect(end, weak=False)
    worker_shutdown.connect(end, weak=False)


class TracedRequests:
    """An ASGI application that wraps the site's, and makes a span of each request."""

    def __init__(self, application: Application) -> None:
        self._application = application
        for end in _ENDS:
            atexit.register(end)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request. It continues the trace of a proxy."""
        if scope["type"] != "http" or scope["path"].endswith(_ROUTINE):
            await self._application(scope, receive, send)
            return
        with _TRACER.start_as_current_span(
            scope["method"],
            context=_PROPAGATOR.extract(_trace_headers(scope)),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            await self._application(scope, receive, send)
            line = scope.get(LINE)
            if isinstance(line, Line):
                span.update_name(f"{line.method} {line.path}")
                span.set_attributes({**_ids(), **line.attributes()})
                if (line.status or 0) >= 500:
                    span.set_status(StatusCode.ERROR)


def _trace_headers(scope: Scope) -> dict[str, str]:
    if not is_from_a_proxy(scope):
        return {}
    named = [(name.decode("latin1"), value.decode("latin1")) for name, value in scope["headers"]]
    return {name: value for name, value in named if name in _HEADERS}


def _ids() -> dict[str, str]:
    now = correlation.current()
    return {"darkroom.request_id": now.request_id, "darkroom.upload_id": now.upload_id}


def _connect() -> None:
    before_task_publish.connect(_carry)
    task_prerun.connect(_begin_task)
    task_postrun.connect(_end_task)
    connection_created.connect(_trace_connection)
    for connection in connections.all(initialized_only=True):
        _trace_connection(connection=connection)


def _carry(*, headers: dict[str, Any], **_options: Any) -> None:
    """Put the current trace into a message."""
    _PROPAGATOR.inject(headers)


def _begin_task(*, task: Task[Any, Any], **_options: Any) -> None:
    request = task.request
    if request.is_eager:
        return
    carrier = {name: str(request.get(name)) for name in _HEADERS if request.get(name)}
    span = _TRACER.start_span(
        task.name, context=_PROPAGATOR.extract(carrier), kind=SpanKind.CONSUMER, attributes=_ids()
    )
    vars(request).update(trace_span=span, trace_token=context.attach(trace.set_span_in_context(span)))


def _end_task(*, task: Task[Any, Any], state: str | None = None, **_options: Any) -> None:
    span = getattr(task.request, "trace_span", None)
    if span is not None:
        span.set_attribute("celery.state", str(state))
        if state == "FAILURE":
            span.set_status(StatusCode.ERROR)
        context.detach(vars(task.request)["trace_token"])
        span.end()


def _trace_connection(*, connection: BaseDatabaseWrapper, **_options: Any) -> None:
    if _trace_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_trace_statement)


def _trace_statement(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, details: dict[str, Any]
) -> Any:
    """Make a span of a statement inside another span. Its values are left out."""
    if not trace.get_current_span().is_recording():
        return execute(sql, params, many, details)
    text = str(sql)
    attributes = {"db.system.name": details["connection"].vendor, "db.query.text": text[:2000]}
    with _TRACER.start_as_current_span(
        text.split(maxsplit=1)[0].upper(),
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            return execute(sql, params, many, details)
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _record(one: spans.Span) -> None:
    """Make a span of a part of the processing that has just ended."""
    end = int(one.ended_at * 1e9)
    attributes = {f"darkroom.{name}": value for name, value in one.attributes.items()}
    span = _TRACER.start_span(one.name, start_time=end - int(one.seconds * 1e9), attributes=attributes)
    if one.error:
        span.set_status(Status(StatusCode.ERROR, one.error))
    span.end(end_time=end)
