"""The app of people and their uploads."""

from importlib import import_module

from django.apps import AppConfig

# What registers itself on import, and can be imported only once the models are there: system checks, the
# receivers of what steps tell, and the Celery tasks.
REGISTERING = ("uploads.checks", "uploads.completion", "uploads.tasks", "uploads.upkeep.recurring")


class UploadsConfig(AppConfig):
    """People: uploads, their history and their notices."""

    name = "uploads"
    verbose_name = "Uploads"

    def ready(self) -> None:
        """Register checks, receivers and tasks."""
        for name in REGISTERING:
            import_module(name)
