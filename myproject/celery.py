"""The Celery application: the workers, beat, Flower and the web process all start from it."""

import os
import resource
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")

app = Celery("darkroom")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# What beat starts stands above the pipeline, and account mail below it: modules of their own.
app.autodiscover_tasks(related_name="recurring")
app.autodiscover_tasks(related_name="mail")


@worker_process_init.connect
def limit_memory(**_options: Any) -> None:
    """Let a decoder that wants more memory than is given fail, rather than the machine."""
    limit = settings.DARKROOM["WORKER_MEMORY"]
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
