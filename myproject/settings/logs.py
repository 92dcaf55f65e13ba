"""Logs: one line on the console for what happens."""

import logging

from myproject.settings.environment import env

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    # What asks whether the system is ready yet is no error while it is not.
    "filters": {
        "readiness": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "/readyz" not in record.getMessage(),
        },
        # What beat starts every few seconds is told of only when it goes wrong.
        "recurring": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: (
                record.levelno > logging.INFO or "uploads.upkeep.recurring" not in record.getMessage()
            ),
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "botocore": {"level": "WARNING"},
        "celery.app.trace": {"filters": ["recurring"]},
        "celery.beat": {"filters": ["recurring"]},
        # Its finer lines hold the arguments of tasks, and so the links in mail.
        "celery.pool": {"level": "INFO"},
        "celery.worker.strategy": {"level": "WARNING"},
        "django.request": {"filters": ["readiness"]},
    },
}
