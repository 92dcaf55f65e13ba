"""Telemetry: where errors and traces are sent (`docs/logging.md`)."""

from myproject.settings.environment import env

SENTRY_DSN = env.str("SENTRY_DSN", default="")
# OpenTelemetry reads these variables itself, and the others of its standard.
TRACES_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", default="") or env.str(
    "OTEL_EXPORTER_OTLP_ENDPOINT", default=""
)
