"""The Celery application of the workers, beat, Flower and the web process."""

import os
from contextlib import suppress
from importlib import import_module
from typing import Any

from celery import Celery
from celery.app.task import Context
from celery.canvas import Signature
from celery.contrib.django.task import DjangoTask
from celery.signals import beat_init, worker_init, worker_process_init, worker_shutting_down
from django.conf import settings

from myproject import malformed_messages, stopping
from myproject.postgresql.time_limits import limit_statements
from myproject.startup import refuse_errors, report_ready
from myproject.transports import rabbitmq, redis
from processing import conf
from processing.conf import darkroom
from processing.renderer import memory
from processing.renderer.pool import POOL
from uploads.broker import BrokerAway, queue_depths

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
# Its receivers of Celery's signals are connected.
import_module("myproject.logs.tasks")


class QueuedTask(DjangoTask[Any, Any]):
    """A task whose retries stay in its queue, so that bulk work remains bulk work."""

    Strategy = "myproject.malformed_messages:careful"

    def signature_from_request(
        self,
        request: Context | None = None,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        queue: str | None = None,
        **options: Any,
    ) -> Signature[Any]:
        """Return the signature of the next attempt.

        Celery keeps the queue only of messages sent through the default exchange; others follow the task's
        route.
        """
        # RabbitMQ's delayed delivery puts the delay before the queue's name in the routing key:
        # `0.0.….1.bulk`.
        key = ((request or self.request).delivery_info or {}).get("routing_key") or ""
        queue = queue or key.rpartition(".")[2] or None
        return super().signature_from_request(request, args, kwargs, queue, **options)


rabbitmq.install()
malformed_messages.install()
app = Celery("darkroom", task_cls=QueuedTask)
redis.install(app)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["myproject"], related_name="mail")


@beat_init.connect
@worker_init.connect
def check_settings(**_options: Any) -> None:
    """Refuse to start with invalid settings, unless `celery --skip-checks` was called."""
    if "CELERY_SKIP_CHECKS" not in os.environ:
        refuse_errors()


@worker_init.connect
def limit_time(**_options: Any) -> None:
    """Limit the time of database statements."""
    limit_statements()


@worker_init.connect
def be_patient(**_options: Any) -> None:
    """Give workers a longer Redis time-out than requests, because a time-out makes them reconnect."""
    if settings.BROKER_IS_REDIS:
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, "socket_timeout": 5}


@worker_init.connect
def declare_queues(**_options: Any) -> None:
    """Declare every queue on RabbitMQ: each worker binds all of them, and binding a missing one fails."""
    if not settings.BROKER_IS_REDIS:
        with suppress(BrokerAway):
            queue_depths()


@beat_init.connect
@worker_init.connect
def report_start(**_options: Any) -> None:
    """Report to systemd, before the first connection: the broker may be unavailable."""
    report_ready()


@worker_process_init.connect
def prepare_memory(**_options: Any) -> None:
    """Limit the memory of a pool process, and keep freed memory for the next image."""
    memory.limit(darkroom().worker_memory)
    memory.keep()


@worker_process_init.connect
def start_renderer(**_options: Any) -> None:
    """Start the renderer of a pool process before its first task."""
    POOL.prepare(conf.renderer_options())


@worker_process_init.connect
def listen(**_options: Any) -> None:
    """Let a pool process hand back its lease when its worker has to stop."""
    stopping.listen()


@worker_shutting_down.connect
def bound_the_stop(**_options: Any) -> None:
    """Limit the time of the shutdown."""
    stopping.bound()
