"""Logs: one line on the console for each record."""

import logging

from myproject.settings.environment import env

LOG_LEVEL = env.choice("LOG_LEVEL", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    # A failing readiness check is expected while the system starts, so it is not logged.
    "filters": {
        "readiness": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "/readyz" not in record.getMessage(),
        },
        # Tasks that beat starts every few seconds are logged only if something goes wrong.
        "recurring": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: (
                record.levelno > logging.INFO or "uploads.recurring." not in record.getMessage()
            ),
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "botocore": {"level": "WARNING"},
        "celery.app.trace": {"filters": ["recurring"]},
        "celery.beat": {"filters": ["recurring"]},
        # The DEBUG lines of this logger contain task arguments, including the links in mail.
        "celery.pool": {"level": "INFO"},
        "celery.worker.strategy": {"level": "WARNING"},
        # At INFO, the connection pool logs each request twice.
        "psycopg.pool": {"level": "WARNING"},
        "django.request": {"filters": ["readiness"]},
    },
}
