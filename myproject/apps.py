"""The Django app of this site."""

from importlib import import_module

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Parts of this site only: sign-up, mail, the demo link, and checks of its settings."""

    name = "myproject"
    verbose_name = "This site"

    def ready(self) -> None:
        """Register the checks and receivers."""
        import_module("myproject.checks")
        import_module("myproject.telemetry.starting").start()
        import_module("myproject.leaving.sessions")
