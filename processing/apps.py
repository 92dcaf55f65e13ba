"""The app that works on bytes."""

from django.apps import AppConfig

from processing import checks

__all__ = ["ProcessingConfig", "checks"]


class ProcessingConfig(AppConfig):
    """Originals, presets and renditions."""

    name = "processing"
    verbose_name = "Processing"
