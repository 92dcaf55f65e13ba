"""The app of bytes."""

from django.apps import AppConfig

from processing import checks

__all__ = ["ProcessingConfig", "checks"]


class ProcessingConfig(AppConfig):
    """Bytes: originals, presets, renditions."""

    name = "processing"
    verbose_name = "Processing"
