"""Logs: one line on the console for each record (`docs/logging.md`)."""

import logging

from myproject.settings.environment import env

LOG_LEVEL = env.choice("LOG_LEVEL", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.choice("LOG_FORMAT", default="TEXT", choices=("TEXT", "JSON"))
# Whether the names of uploaded files are logged. People put names of other people into them.
LOG_FILE_NAMES = env.bool("LOG_FILE_NAMES", default=False)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "TEXT": {"()": "myproject.logs.formats.TextFormatter"},
        "JSON": {"()": "myproject.logs.formats.JSONFormatter"},
    },
    "filters": {
        "fields": {"()": "myproject.logs.formats.Fields", "file_names": LOG_FILE_NAMES},
        # Each request has a line of its own, with its status. Only exceptions need another.
        "exceptions": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: record.name != "django.request" or bool(record.exc_info),
        },
        # Tasks that beat starts every few seconds are logged only if something goes wrong.
        "recurring": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: (
                record.levelno > logging.INFO or "uploads.recurring." not in record.getMessage()
            ),
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["exceptions", "fields"],
            "formatter": LOG_FORMAT,
        }
    },
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
        # Django's own handlers would print these again. uvicorn has handlers with another format.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": False},
        "uvicorn.error": {"handlers": [], "propagate": True},
    },
}
