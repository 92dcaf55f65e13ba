"""Health, readiness, and metrics for Prometheus."""

import ipaddress
from collections.abc import Iterator
from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from processing import clock
from processing.conf import darkroom
from processing.garbage import generations
from processing.models import Original, Rendition
from processing.renderer import confinement
from processing.storages import disk_space
from uploads import broker
from uploads.broker import BrokerAway
from uploads.monitoring import readiness, statistics

# Prefixes of the headers that proxies add to a request.
_PASSED_ON = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED", "HTTP_X_REAL_IP")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process runs."""
    return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if this process can serve, else 503; the body names what else is not well."""
    seen = readiness.latest()
    return JsonResponse(
        {
            "ready": seen.is_ready,
            "checks": {name: problem or "ok" for name, problem in seen.problems.items()},
            # A weaker sandbox does not keep this process from serving.
            "renderer": _renderer_weakness() or "ok",
        },
        status=HTTPStatus.OK if seen.is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Cache-Control": "no-store"},
    )


def _renderer_weakness() -> str:
    return confinement.weakness(darkroom().renderer_sandbox)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer staff, and clients with `METRICS_TOKEN`; if it is not set, answer local requests instead."""
    trusted = _has_token(request) if darkroom().metrics_token else _is_local(request)
    if not (trusted or request.user.is_staff):
        raise Http404
    registry = CollectorRegistry()
    registry.register(_Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """Metrics queried from the database and the broker at each scrape: every process returns the same."""

    def collect(self) -> Iterator[Metric]:
        yield _labelled("darkroom_uploads", "Uploads by status.", "status", statistics.uploads_by_status())
        yield _oldest_waiting()
        problems = readiness.latest().problems | {"renderer": _renderer_weakness()}
        yield _labelled(
            "darkroom_part_ok",
            "1 if a part of the system is well, as /readyz reports it.",
            "part",
            {name: int(not problem) for name, problem in problems.items()},
        )
        yield _labelled("darkroom_queue_depth", "Messages waiting, by queue.", "queue", _queue_depths())
        yield _gauge("darkroom_originals", "Originals stored.", Original.objects.count())
        yield _gauge("darkroom_renditions", "Renditions stored.", Rendition.objects.count())
        waiting = sum(notices.waiting for notices in statistics.notices())
        yield _gauge("darkroom_deliveries_waiting", "Notices not delivered yet.", waiting)
        storage = generations.state()
        yield _gauge("darkroom_unknown_files", "Unknown files when last counted.", storage.unknown_files)
        yield _gauge(
            "darkroom_storage_differs",
            "1 if database and storage do not belong together, so that nothing is removed.",
            storage.differs,
        )
        disks = disk_space.disks()
        free = {disk.folder: disk.free for disk in disks}
        yield _labelled("darkroom_disk_free_bytes", "Free bytes of this machine's disks.", "folder", free)
        yield _gauge(
            "darkroom_disk_low",
            "1 if a disk of this machine is almost full, so that uploads are refused.",
            not all(disk.has_room(0) for disk in disks),
        )


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _labelled(name: str, documentation: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _oldest_waiting() -> Metric:
    oldest = statistics.oldest_waiting_at()
    age = (clock.now() - oldest).total_seconds() if oldest else 0.0
    return _gauge("darkroom_oldest_waiting_seconds", "Age of the oldest unfinished upload.", age)


def _queue_depths() -> dict[str, int]:
    """Return the queue depths, or none if the broker is unavailable: unknown is not 0."""
    try:
        return broker.queue_depths()
    except BrokerAway:
        return {}


def _has_token(request: HttpRequest) -> bool:
    return constant_time_compare(
        request.headers.get("Authorization", ""), f"Bearer {darkroom().metrics_token}"
    )


def _is_local(request: HttpRequest) -> bool:
    """Return whether the request comes from this machine and not through a proxy."""
    if any(name.startswith(_PASSED_ON) for name in request.META):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
