"""Starting telemetry: its packages are optional, and imported only if their setting is on."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from uploads.receiving.body_guard import Application

_SENTRY, _OPENTELEMETRY = "sentry_sdk", "opentelemetry.exporter.otlp.proto.http"


def start() -> None:
    """Start Sentry and traces if their settings are on. The checks report invalid settings."""
    if settings.SENTRY_DSN and not list(_problems_of_sentry()):
        import_module("myproject.telemetry.errors").start(settings.SENTRY_DSN)
    if settings.TRACES_ENDPOINT and not list(_problems_of_traces()):
        import_module("myproject.telemetry.traces").start()


def traced(application: Application) -> Application:
    """Return the ASGI application, with a span for each request if traces are on."""
    if not settings.TRACES_ENDPOINT:
        return application
    wrapped: Application = import_module("myproject.telemetry.traces").TracedRequests(application)
    return wrapped


@checks.register
def check_telemetry(**_options: Any) -> Sequence[checks.CheckMessage]:
    """Return an error for each setting whose value is invalid, or whose package is missing."""
    return [*_problems_of_sentry(), *_problems_of_traces()]


def _problems_of_sentry() -> Iterator[checks.Error]:
    if not settings.SENTRY_DSN:
        return
    if not _is_dsn(settings.SENTRY_DSN):
        # It is not shown, because its key lets anyone send events.
        yield checks.Error(
            "SENTRY_DSN must be such as https://key@sentry.example/1.",
            hint="Copy it from the settings of your project in Sentry.",
            id="darkroom.E090",
        )
    if not _is_installed(_SENTRY):
        yield _missing("SENTRY_DSN")


def _problems_of_traces() -> Iterator[checks.Error]:
    if not settings.TRACES_ENDPOINT:
        return
    if urlsplit(settings.TRACES_ENDPOINT).scheme not in {"http", "https"}:
        yield checks.Error(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is {settings.TRACES_ENDPOINT!r}; it must begin with http:// or "
            "https://.",
            hint="Darkroom speaks OTLP over HTTP, usually on port 4318: http://127.0.0.1:4318.",
            id="darkroom.E091",
        )
    if not _is_installed(_OPENTELEMETRY):
        yield _missing("OTEL_EXPORTER_OTLP_ENDPOINT")


def _missing(name: str) -> checks.Error:
    return checks.Error(
        f"{name} is set, but its packages are not installed.",
        hint=f"Run deploy/install.sh requirements/telemetry.txt, or unset {name}.",
        id="darkroom.E092",
    )


def _is_dsn(text: str) -> bool:
    url = urlsplit(text)
    return url.scheme in {"http", "https"} and bool(url.username and url.hostname and url.path.strip("/"))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
