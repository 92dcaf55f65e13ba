"""The text of `/metrics`: what the processes have published, and what is queried at each scrape.

Every process returns the same, apart from the disks of its machine, so Prometheus scrapes one address of the
site.
`docs/metrics.md` describes each metric.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import accumulate

from django.db import DatabaseError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from processing import clock
from processing.conf import darkroom
from processing.garbage import generations
from processing.metrics.counters import Series
from processing.metrics.families import FAMILIES, PROCESS_GAUGES, Family
from processing.models import Original, Rendition
from processing.storages import disk_space
from uploads import broker
from uploads.broker import BrokerAway
from uploads.monitoring import publishing, readiness, statistics
from uploads.monitoring.readiness import Readiness

CONTENT_TYPE = CONTENT_TYPE_LATEST


def text() -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Queried())
    registry.register(_Published())
    return generate_latest(registry)


class _Queried(Collector):
    """Metrics queried from the database, the broker, Redis and the disks."""

    def collect(self) -> Iterator[Metric]:
        seen = readiness.latest()
        yield from _parts(seen)
        yield from _queues(seen)
        # The other metrics are needed most while the database is unavailable.
        with suppress(DatabaseError):
            yield from _rows()
        yield from _disks()


class _Published(Collector):
    """Metrics that the processes count; none while Redis is unavailable, because unknown is not 0."""

    def collect(self) -> Iterator[Metric]:
        if not darkroom().metrics:
            return
        try:
            counters, gauges = publishing.published()
        except RedisError:
            return
        by_family: defaultdict[str, dict[Series, float]] = defaultdict(dict)
        for series, amount in counters.items():
            by_family[series.family][series] = amount
        for family in FAMILIES:
            amounts = by_family[family.name]
            yield _histogram(family, amounts) if family.buckets else _counter(family, amounts)
        for gauge in PROCESS_GAUGES:
            yield _gauge(gauge.name, gauge.documentation, gauges[gauge.name])


def _counter(family: Family, amounts: Mapping[Series, float]) -> Metric:
    metric = CounterMetricFamily(family.name, family.documentation, labels=family.labels)
    by_labels = dict.fromkeys(family.known(), 0.0) | {
        series.labels: amount for series, amount in amounts.items()
    }
    for labels, amount in by_labels.items():
        metric.add_metric(labels, amount)
    return metric


def _histogram(family: Family, amounts: Mapping[Series, float]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.documentation, labels=family.labels)
    by_labels: dict[tuple[str, ...], dict[str, float]] = {labels: {} for labels in family.known()}
    for series, amount in amounts.items():
        by_labels.setdefault(series.labels, {})[series.part] = amount
    limits = [*map(str, family.buckets), "+Inf"]
    for labels, parts in by_labels.items():
        counts = accumulate(parts.get(str(bucket), 0.0) for bucket in range(len(limits)))
        metric.add_metric(labels, list(zip(limits, counts, strict=True)), parts.get("sum", 0.0))
    return metric


def _parts(seen: Readiness) -> Iterator[Metric]:
    problems = seen.problems | {"renderer": readiness.renderer_weakness()}
    yield _labelled(
        "darkroom_part_ok",
        "1 if a part of the system is well, as /readyz reports it.",
        "part",
        {name: int(not problem) for name, problem in problems.items()},
    )
    yield _gauge("darkroom_ready", "1 if this process can serve, as /readyz reports it.", seen.is_ready)
    if seen.beat_at is not None:
        silence = max(0.0, (clock.now() - seen.beat_at).total_seconds())
        yield _gauge("darkroom_beat_silence_seconds", "Seconds since beat's last heartbeat.", silence)
    if seen.workers is not None:
        counts = {
            name: sum(name in served for served in seen.workers.values()) for name in readiness.queues()
        }
        yield _labelled("darkroom_workers", "Workers that consume a queue.", "queue", counts)


def _queues(seen: Readiness) -> Iterator[Metric]:
    # None is known while the broker is unavailable: unknown is not 0.
    depths = seen.depths or {}
    yield _labelled("darkroom_queue_depth", "Messages waiting, by queue.", "queue", depths)
    ages = _oldest_messages(depths)
    name = "darkroom_queue_oldest_message_seconds"
    yield _labelled(name, "Age of the oldest message of each queue, if the broker is Redis.", "queue", ages)


def _oldest_messages(depths: Mapping[str, int]) -> dict[str, float]:
    """Return the age of each queue's oldest message: 0 if it is empty, and none if it is unknown."""
    if not depths:
        return {}
    try:
        oldest = broker.oldest_messages()
    except BrokerAway:
        return {}
    if oldest is None:
        return {}
    # The publishing hosts have noted the times by their own clocks.
    now = time.time()
    empty = {name: 0.0 for name, depth in depths.items() if not depth}
    return empty | {name: max(0.0, now - due_at) for name, due_at in oldest.items()}


def _rows() -> Iterator[Metric]:
    yield _labelled("darkroom_uploads", "Uploads by status.", "status", statistics.uploads_by_status())
    oldest = statistics.oldest_waiting_at()
    age = (clock.now() - oldest).total_seconds() if oldest else 0.0
    yield _gauge("darkroom_oldest_waiting_seconds", "Age of the oldest unfinished upload.", age)
    yield _gauge("darkroom_originals", "Originals stored.", Original.objects.count())
    yield _gauge("darkroom_renditions", "Renditions stored.", Rendition.objects.count())
    waiting = sum(notices.waiting for notices in statistics.notices())
    yield _gauge("darkroom_deliveries_waiting", "Notices not delivered yet.", waiting)
    lost = statistics.lost_originals()
    yield _gauge("darkroom_lost_originals", "Originals whose file is known to be missing or damaged.", lost)
    storage = generations.state()
    yield _gauge("darkroom_unknown_files", "Unknown files when last counted.", storage.unknown_files)
    yield _gauge(
        "darkroom_storage_differs",
        "1 if database and storage do not belong together, so that nothing is removed.",
        storage.differs,
    )


def _disks() -> Iterator[Metric]:
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


def _labelled(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
