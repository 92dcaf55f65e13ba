"""The Django app `uploads`."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

# Modules that register checks, receivers and tasks on import; they need the models.
REGISTERING = (
    "uploads.checks",
    "uploads.project_checks",
    "uploads.redis.checks",
    "uploads.hooks.gate",
    "uploads.completion",
    "uploads.notices.purging",
    "uploads.tasks",
    "uploads.monitoring.pulse",
    "uploads.upkeep.recurring",
    "uploads.monitoring.publishing",
)

# The apps of `startproject` whose models or templates are used.
NEEDED = (
    *(f"django.contrib.{name}" for name in ("auth", "contenttypes", "messages", "sessions", "staticfiles")),
    "processing",
)


class UploadsConfig(AppConfig):
    """People: their uploads, history and notices."""

    name = "uploads"
    verbose_name = "Uploads"
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, *arguments: Any) -> None:
        # A package of that name in the project hides Darkroom's, which cannot report it then.
        if find_spec("processing.originals") is None:
            raise ImproperlyConfigured(
                "The package 'processing' that Python finds is not Darkroom's. Rename it, or move it into a "
                "package of your project, such as shop.processing, with another label in its AppConfig."
            )
        import_module("processing.apps").refuse_others()
        missing = [name for name in NEEDED if not _is_installed(name)]
        if missing:
            raise ImproperlyConfigured(
                f"Darkroom needs more apps. Add to INSTALLED_APPS: {', '.join(missing)}."
            )
        super().__init__(*arguments)

    def ready(self) -> None:
        """Register checks, receivers and tasks, and add the recurring tasks to Celery's timetable."""
        for name in REGISTERING:
            import_module(name)
        import_module("uploads.upkeep.timetable").install(current_app)


def _is_installed(name: str) -> bool:
    """Return whether the settings name an app, by its package or by its configuration."""
    return any(entry == name or entry.startswith(f"{name}.apps.") for entry in settings.INSTALLED_APPS)
