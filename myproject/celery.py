"""The Celery application: the workers, beat, Flower and the web process all start from it."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_process_init
from django.conf import settings

from myproject.startup import refuse_errors
from processing import memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")

app = Celery("darkroom")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# What beat starts stands above the pipeline, and account mail below it: modules of their own.
app.autodiscover_tasks(related_name="recurring")
app.autodiscover_tasks(related_name="mail")


@worker_init.connect
def check_settings(**_options: Any) -> None:
    """Refuse to start with settings that make no sense."""
    refuse_errors()


@worker_process_init.connect
def prepare_memory(**_options: Any) -> None:
    """Bound what a decoder may take, and keep what it has taken for the next."""
    memory.limit(settings.DARKROOM["WORKER_MEMORY"])
    memory.keep()
