"""The app of people and their uploads."""

from importlib import import_module

from django.apps import AppConfig

from uploads import checks

__all__ = ["UploadsConfig", "checks"]


class UploadsConfig(AppConfig):
    """People: uploads, their history and their notices."""

    name = "uploads"
    verbose_name = "Uploads"

    def ready(self) -> None:
        """Listen to what happens to originals and uploads."""
        import_module("uploads.events")
        import_module("uploads.pipeline")
