"""System checks of what a project has to set up around Darkroom: URLs, Celery, pages and extras."""

from collections.abc import Iterator, Sequence
from typing import Any

from celery import current_app
from django.conf import settings
from django.core import checks
from django.db import DatabaseError
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from processing import clock
from processing.conf import darkroom
from processing.images.reading import formats
from uploads.api.availability import missing_apps
from uploads.models import Heartbeat, Upload

# The context processors of `startproject` that the pages need.
_PROCESSORS = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
)
# The middleware of `startproject` that the pages need, in its order.
_MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)


@checks.register(checks.Tags.urls)
def check_include(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if no URL leads to Darkroom, or a warning if its pages have no sign-in page."""
    try:
        reverse("uploads:home")
    except NoReverseMatch:
        return [
            checks.Error(
                "The project does not include the URLs of Darkroom.",
                hint='Add path("photos/", include("uploads.urls")) to urlpatterns in the module that '
                "ROOT_URLCONF names. It must not be inside an include with a namespace of its own.",
                id="darkroom.E034",
            )
        ]
    return list(_sign_in())


def _sign_in() -> Iterator[checks.CheckMessage]:
    try:
        resolve(resolve_url(settings.LOGIN_URL))
    except (NoReverseMatch, Resolver404):
        yield checks.Warning(
            f"LOGIN_URL is {settings.LOGIN_URL!r}, which no URL answers. The pages send visitors there.",
            hint='Set LOGIN_URL = "admin:login", or include django.contrib.auth.urls at accounts/.',
            id="darkroom.W006",
        )


@checks.register(checks.Tags.templates)
def check_pages(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if a page could not show its user or its messages."""
    options: list[Any] = [engine.get("OPTIONS", {}) for engine in settings.TEMPLATES]
    active = {name for one in options for name in one.get("context_processors", ())}
    missing = [name for name in _PROCESSORS if name not in active]
    missing += [name for name in _MIDDLEWARE if not _has_middleware(name)]
    if not missing:
        return []
    return [
        checks.Warning(
            f"Darkroom's pages lack {', '.join(missing)}.",
            hint="Add them to MIDDLEWARE, and to the context_processors of TEMPLATES, as startproject does.",
            id="darkroom.W007",
        )
    ]


def _has_middleware(name: str) -> bool:
    """Return whether a middleware, or one of the project with the same class name, is installed."""
    return any(path.rpartition(".")[2] == name.rpartition(".")[2] for path in settings.MIDDLEWARE)


@checks.register
def check_celery(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if the project has no Celery app, or errors for queues without a worker."""
    if current_app.main == "default":
        return [
            checks.Warning(
                "The project loads no Celery app, so nothing that Darkroom queues reaches a worker.",
                hint="Make a celery.py beside the settings, and import its app in the __init__.py of that "
                "package (Celery's documentation: First steps with Django).",
                id="darkroom.W008",
            )
        ]
    declared = {queue.name for queue in current_app.conf.task_queues or ()}
    return [
        checks.Error(
            f"DARKROOM[{key!r}] is {name!r}, which is none of CELERY_TASK_QUEUES, so no worker consumes it.",
            hint="Add the queue to CELERY_TASK_QUEUES, or remove the key: the default queue is then used.",
            id="darkroom.E035",
        )
        for key, name in _queues()
        if name and declared and name not in declared
    ]


def _queues() -> Iterator[tuple[str, str]]:
    now = darkroom()
    yield "THUMBNAILS_QUEUE", now.thumbnails_queue
    yield "RENDITIONS_QUEUE", now.renditions_queue
    yield "NOTIFICATIONS_QUEUE", now.notifications_queue
    yield "BULK_QUEUE", now.bulk_queue


@checks.register(checks.Tags.database)
def check_beat(databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return a warning if there are uploads, but beat has not run for a day. `check --database` runs it."""
    if not databases:
        return []
    try:
        last = Heartbeat.last("sweep")
        silent = last is None or (clock.now() - last).days >= 1
        if not (silent and Upload.objects.exists()):
            return []
    except DatabaseError:
        return []  # The tables are not there yet.
    return [
        checks.Warning(
            "Celery beat has not run for a day, so lost messages are not repeated, and deleted files stay.",
            hint="Run celery beat, or one worker with the option -B. Its timetable has the tasks already.",
            id="darkroom.W009",
        )
    ]


@checks.register
def check_schema(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if drf-spectacular could not describe the API."""
    name = str(getattr(settings, "REST_FRAMEWORK", {}).get("DEFAULT_SCHEMA_CLASS", ""))
    if missing_apps() or (name and not name.startswith("rest_framework.")):
        return []
    return [
        checks.Error(
            "REST_FRAMEWORK['DEFAULT_SCHEMA_CLASS'] is not that of drf-spectacular.",
            hint='Set REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}.',
            id="darkroom.E036",
        )
    ]


@checks.register
def check_extras(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return how to get the parts of Darkroom that this project does not have."""
    found: list[checks.CheckMessage] = []
    if missing := missing_apps():
        found.append(
            checks.Info(
                "The project has no REST API of Darkroom.",
                hint="For one, run: pip install 'django-darkroom[api]', and add to INSTALLED_APPS: "
                f"{', '.join(missing)}. Pages, forms and template tags work without.",
                id="darkroom.I001",
            )
        )
    if "HEIF" not in formats.INSTALLED:
        found.append(
            checks.Info(
                "Originals in HEIC, as phones take them, are refused.",
                hint="To accept them, run: pip install 'django-darkroom[heif]'.",
                id="darkroom.I002",
            )
        )
    return found
