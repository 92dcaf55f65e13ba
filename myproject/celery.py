"""The Celery application: the workers, beat, Flower and the web process all start from it."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")

app = Celery("darkroom")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# What beat starts stands above the pipeline, and account mail below it: modules of their own.
app.autodiscover_tasks(related_name="recurring")
app.autodiscover_tasks(related_name="mail")
