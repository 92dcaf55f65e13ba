"""Telemetry: errors for Sentry, and traces for OpenTelemetry. Both are off without their setting."""
