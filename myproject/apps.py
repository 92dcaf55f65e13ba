"""The app of this site."""

from importlib import import_module

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """What belongs to this site alone: sign-up, mail, the demo link, and what is checked of its settings."""

    name = "myproject"
    verbose_name = "This site"

    def ready(self) -> None:
        """Register the checks."""
        import_module("myproject.checks")
