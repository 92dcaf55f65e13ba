"""Whether a project has the API: it needs the extra `api`, and its apps in `INSTALLED_APPS`."""

from django.apps import apps

APPS = ("rest_framework", "drf_spectacular", "drf_spectacular_sidecar")


def missing_apps() -> list[str]:
    """Return the apps that the API lacks; without one of them, it has no URLs."""
    return [name for name in APPS if not apps.is_installed(name)]
