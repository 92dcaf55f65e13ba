"""The Django app `uploads`."""

from importlib import import_module

from django.apps import AppConfig

# Modules that register checks, receivers and tasks on import; they need the models.
REGISTERING = (
    "uploads.checks",
    "uploads.redis.checks",
    "uploads.hooks.gate",
    "uploads.completion",
    "uploads.tasks",
    "uploads.upkeep.recurring",
)


class UploadsConfig(AppConfig):
    """People: their uploads, history and notices."""

    name = "uploads"
    verbose_name = "Uploads"

    def ready(self) -> None:
        """Register checks, receivers and tasks."""
        for name in REGISTERING:
            import_module(name)
