"""Whether the system is alive and ready, and its figures for Prometheus."""

import ipaddress
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.models import Count, Min
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from processing.models import Original, Rendition
from processing.storages import FileMissing, LocalStorage, S3Storage, StorageUnavailable, call_storage
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Delivery, Heartbeat, Upload

# Beat sweeps every five seconds; this long without a sign of it is no delay any more.
_BEAT_SILENCE = timedelta(seconds=30)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer as long as the process can."""
    return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Tell whether everything an upload needs answers: 200, or 503 and what does not."""
    problems = {name: check() for name, check in _CHECKS.items()}
    ready = not any(problems.values())
    return JsonResponse(
        {"ready": ready, "checks": {name: problem or "ok" for name, problem in problems.items()}},
        status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Cache-Control": "no-store"},
    )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus on this machine, and staff."""
    if not (_is_local(request) or request.user.is_staff):
        raise Http404
    registry = CollectorRegistry()
    registry.register(_Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """What the database and the broker know, asked at each scrape: the same from every process."""

    def collect(self) -> Iterator[Metric]:
        yield from _uploads_by_status()
        yield _oldest_waiting()
        yield _queue_depths()
        yield _gauge("darkroom_originals", "Originals stored.", Original.objects.count())
        yield _gauge("darkroom_renditions", "Renditions stored.", Rendition.objects.count())
        waiting = Delivery.objects.filter(delivered_at=None, failed_at=None, endpoint__disabled_at=None)
        yield _gauge("darkroom_deliveries_waiting", "Notices not delivered yet.", waiting.count())


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _uploads_by_status() -> Iterator[Metric]:
    counts = dict(
        Upload.objects.filter(deleted_at=None).order_by().values_list("status").annotate(count=Count("pk"))
    )
    family = GaugeMetricFamily("darkroom_uploads", "Uploads by status.", labels=["status"])
    for status in Upload.Status.values:
        family.add_metric([status], counts.get(status, 0))
    yield family


def _oldest_waiting() -> Metric:
    waiting = Upload.objects.filter(deleted_at=None, status__in=Upload.UNFINISHED)
    oldest = waiting.aggregate(oldest=Min("created_at"))["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return _gauge("darkroom_oldest_waiting_seconds", "Age of the oldest unfinished upload.", age)


def _queue_depths() -> Metric:
    family = GaugeMetricFamily("darkroom_queue_depth", "Messages waiting, by queue.", labels=["queue"])
    try:
        depths = broker.queue_depths()
    except BrokerAway:
        return family
    for queue, depth in depths.items():
        family.add_metric([queue], depth)
    return family


def _is_local(request: HttpRequest) -> bool:
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return str(error)
    return ""


def _check_broker() -> str:
    try:
        broker.queue_depths()
    except BrokerAway as error:
        return str(error)
    return ""


def _check_storage() -> str:
    storage = cast("LocalStorage | S3Storage", default_storage)
    try:
        call_storage(storage.check)
    except (StorageUnavailable, FileMissing) as error:
        return str(error)
    return ""


def _check_workers() -> str:
    try:
        unserved = {queue.name for queue in settings.CELERY_TASK_QUEUES} - broker.served_queues()
    except BrokerAway as error:
        return str(error)
    return f"no worker for: {', '.join(sorted(unserved))}" if unserved else ""


def _check_beat() -> str:
    try:
        beat = Heartbeat.objects.filter(name="sweep").first()
    except DatabaseError as error:
        return str(error)
    if beat is None or beat.at < timezone.now() - _BEAT_SILENCE:
        return "beat has not been heard of for half a minute"
    return ""


_CHECKS: dict[str, Callable[[], str]] = {
    "database": _check_database,
    "broker": _check_broker,
    "storage": _check_storage,
    "workers": _check_workers,
    "beat": _check_beat,
}
