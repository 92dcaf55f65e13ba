"""The Celery application: the workers, beat, Flower and the web process all start from it."""

import os
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.app.task import Context
from celery.canvas import Signature
from celery.contrib.django.task import DjangoTask
from celery.signals import beat_init, worker_init, worker_process_init, worker_shutting_down
from django.conf import settings

from myproject import malformed_messages, rabbitmq, stopping
from myproject.startup import refuse_errors
from processing import memory
from processing.conf import darkroom
from uploads.broker import BrokerAway, queue_depths

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")


class QueuedTask(DjangoTask[Any, Any]):
    """A task that is tried again in the queue it came from, so that bulk work stays bulk work."""

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

        Celery keeps the queue only where there is no exchange; else it takes that of the task's route.
        """
        # What RabbitMQ has delayed carries the delay before the queue's name: `0.0.….1.bulk`.
        key = ((request or self.request).delivery_info or {}).get("routing_key") or ""
        queue = queue or key.rpartition(".")[2] or None
        return super().signature_from_request(request, args, kwargs, queue, **options)


rabbitmq.install()
malformed_messages.install()
app = Celery("darkroom", task_cls=QueuedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["myproject"], related_name="mail")


@beat_init.connect
@worker_init.connect
def check_settings(**_options: Any) -> None:
    """Refuse to start with settings that make no sense, unless `celery --skip-checks` was called."""
    if "CELERY_SKIP_CHECKS" not in os.environ:
        refuse_errors()


@worker_init.connect
def be_patient(**_options: Any) -> None:
    """Let a worker wait longer for the broker than a request may: it loses its place by giving up."""
    if settings.BROKER_IS_REDIS:
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, "socket_timeout": 5}


@worker_init.connect
def declare_queues(**_options: Any) -> None:
    """Declare every queue on RabbitMQ, where each worker binds those of the others, too."""
    if not settings.BROKER_IS_REDIS:
        with suppress(BrokerAway):
            queue_depths()


@worker_process_init.connect
def prepare_memory(**_options: Any) -> None:
    """Bound what a decoder may take, and keep what it has taken for the next."""
    memory.limit(darkroom().worker_memory)
    memory.keep()


@worker_process_init.connect
def listen(**_options: Any) -> None:
    """Let a child hand back what it is at when its worker has to stop."""
    stopping.listen()


@worker_shutting_down.connect
def bound_the_stop(**_options: Any) -> None:
    """Stop in time, whatever is in hand."""
    stopping.bound()
