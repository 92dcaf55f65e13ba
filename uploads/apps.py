"""The app of people and their uploads."""

from importlib import import_module

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    """People: uploads, their history and their notices."""

    name = "uploads"
    verbose_name = "Uploads"

    def ready(self) -> None:
        """Listen to what happens to originals."""
        import_module("uploads.events")
