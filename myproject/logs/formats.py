"""The two formats of log lines: text for people, and JSON for machines."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from myproject.logs.privacy import event_of, without_addresses
from processing import correlation

# The fields of a line besides its time, level, logger and event. Nothing else that a record carries is shown,
# because Celery's records have the arguments of tasks, and Django's have requests.
FIELDS = (
    "request_id", "upload_id", "method", "path", "status", "seconds", "task", "task_id", "content_hash",
    "bytes", "file_name",
)  # fmt: skip
# People read these in the event itself.
_IN_THE_EVENT = ("method", "path", "status", "seconds", "task", "task_id")
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


class Fields(logging.Filter):
    """Give every record the ids of the current work, and Celery's records the fields of their task."""

    def __init__(self, *, file_names: bool = False) -> None:
        super().__init__()
        self._file_names = file_names

    def filter(self, record: logging.LogRecord) -> bool:
        """Complete a record. It is always logged."""
        now = correlation.current()
        record.request_id = getattr(record, "request_id", "") or now.request_id
        record.upload_id = getattr(record, "upload_id", "") or now.upload_id
        task = getattr(record, "data", None)
        if record.name == "celery.app.trace" and isinstance(task, dict):
            record.task, record.task_id = task.get("name"), task.get("id")
            if task.get("runtime") is not None:
                record.seconds = round(task["runtime"], 3)
        if not self._file_names:
            record.file_name = ""
        return True


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record that have a value."""
    found = {name: getattr(record, name, None) for name in FIELDS}
    return {name: value for name, value in found.items() if value not in (None, "")}


class JSONFormatter(logging.Formatter):
    """A JSON object in one line, with a traceback as one of its members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": event_of(record),
            **fields_of(record),
        }
        if record.exc_info:
            line["exception"] = without_addresses(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A line with aligned columns, coloured on a terminal, and the traceback below it."""

    def __init__(self) -> None:
        super().__init__()
        self._is_coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with its traceback."""
        fields = {name: value for name, value in fields_of(record).items() if name not in _IN_THE_EVENT}
        columns = [
            f"{_time(record):%Y-%m-%d %H:%M:%S}.{int(record.msecs):03}",
            self._coloured(f"{record.levelname:<8}", _COLOURS.get(record.levelname)),
            f"{record.name:<28}",
            event_of(record),
        ]
        if fields:
            columns.append(self._coloured(" ".join(f"{name}={value}" for name, value in fields.items()), "2"))
        if record.exc_info:
            columns.append("\n" + without_addresses(self.formatException(record.exc_info)))
        return " ".join(columns)

    def _coloured(self, text: str, colour: str | None) -> str:
        return f"\033[{colour}m{text}\033[0m" if colour and self._is_coloured else text


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
