"""The two formats of log lines, and what they leave out."""

import json
import logging
import sys
from typing import Any

import pytest

from myproject.logs.formats import Fields, JSONFormatter, TextFormatter
from processing import correlation

ID = "0123456789abcdef"


def record(
    message: str, *arguments: object, logger: str = "uploads.services", **extra: Any
) -> logging.LogRecord:
    made = logging.getLogger(logger).makeRecord(
        logger, logging.INFO, "", 0, message, arguments, extra.pop("exc_info", None), extra=extra
    )
    Fields(file_names=False).filter(made)
    return made


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    text = JSONFormatter().format(made)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    return line


def failure() -> Any:
    try:
        int("ada@example.com")
    except ValueError:
        return sys.exc_info()
    return None


def test_line_has_the_ids_of_the_work() -> None:
    with correlation.carried(request_id=ID, upload_id=7):
        line = as_json(record("Received %s.", "it", bytes=3))
    assert {
        name: line[name] for name in ("level", "logger", "event", "request_id", "upload_id", "bytes")
    } == {
        "level": "INFO",
        "logger": "uploads.services",
        "event": "Received it.",
        "request_id": ID,
        "upload_id": "7",
        "bytes": 3,
    }


def test_text_is_aligned_and_has_no_colours_in_a_file() -> None:
    with correlation.carried(request_id=ID, upload_id=""):
        text = TextFormatter().format(record("One\ntwo"))
    assert text.endswith(f" INFO     uploads.services             One two request_id={ID}")
    assert "\033" not in text


def test_text_is_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    made = record("Wrong")
    made.levelno, made.levelname = logging.ERROR, "ERROR"
    assert "\033[31mERROR   \033[0m" in TextFormatter().format(made)


@pytest.mark.parametrize("formatter", [TextFormatter(), JSONFormatter()])
def test_exception_has_one_traceback(formatter: logging.Formatter) -> None:
    made = record("Failed.", exc_info=failure())
    # Another handler may have formatted the exception before.
    made.exc_text = "Traceback of another handler"
    text = formatter.format(made)
    assert text.count("Traceback") == 1
    assert "another handler" not in text
    assert "ada@example.com" not in text


def test_names_of_files_are_shown_only_by_a_setting() -> None:
    made = record("Received.", file_name="holiday.jpg")
    assert "file_name" not in as_json(made)
    made = record("Received.")
    made.file_name = "holiday.jpg"
    Fields(file_names=True).filter(made)
    assert as_json(made)["file_name"] == "holiday.jpg"


def test_line_of_a_task_has_its_name_and_duration_but_not_its_arguments() -> None:
    data = {"name": "uploads.tasks.deliver", "id": "abc", "runtime": 0.12345, "kwargs": "{'link': 'secret'}"}
    made = record("Task succeeded", logger="celery.app.trace", data=data)
    line = as_json(made)
    assert (line["task"], line["task_id"], line["seconds"]) == ("uploads.tasks.deliver", "abc", 0.123)
    assert "secret" not in json.dumps(line)


def test_unknown_fields_are_left_out() -> None:
    assert "password" not in as_json(record("Received.", password="hunter2"))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("<ada.l+x@example.co.uk>: rejected", "<(address)>: rejected"),
        ("redis://ada:hunter2@redis.example:6379/0", "(address)"),
        ("Mail <1795.12.345@photos.example> was refused", "Mail <1795.12.345@photos.example> was refused"),
        ("at 12:00 @home", "at 12:00 @home"),
    ],
)
def test_email_addresses_are_hidden(message: str, shown: str) -> None:
    event = as_json(record(message))["event"]
    assert shown in event
    assert "hunter2" not in event
    assert "ada.l" not in event


def test_names_of_workers_are_shown() -> None:
    line = as_json(record("bulk@photos.example ready.", logger="celery.apps.worker"))
    assert line["event"] == "bulk@photos.example ready."


def test_path_of_a_failed_request_is_not_shown() -> None:
    made = record("%s: %s", "Internal Server Error", "/accounts/reset/key/secret/", logger="django.request")
    assert as_json(made)["event"] == "Internal Server Error"
