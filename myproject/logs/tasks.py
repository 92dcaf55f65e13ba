"""The ids of a request in the messages that it causes, and in the lines of their tasks."""

from typing import Any

from celery import Task
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun

from processing import correlation
from processing.correlation import Correlation

# The headers of a message. Celery copies none of its own with this name.
_REQUEST, _UPLOAD = "darkroom_request_id", "darkroom_upload_id"


@setup_logging.connect
def keep_logging(**_options: Any) -> None:
    """Leave the logging of Django's settings as it is: a receiver of this signal turns off Celery's own.

    Celery would set the level of all loggers to that of its command line, WARNING by default.
    """


@before_task_publish.connect
def carry(*, headers: dict[str, Any], **_options: Any) -> None:
    """Put the ids of the current work into a message."""
    now = correlation.current()
    headers |= {_REQUEST: now.request_id, _UPLOAD: now.upload_id}


@task_prerun.connect
def begin(*, task: Task[Any, Any], **_options: Any) -> None:
    """Set the ids of a message while its task runs. Beat's messages have none, and get one."""
    request = task.request
    if not request.is_eager:
        ids = Correlation(
            request_id=str(request.get(_REQUEST) or correlation.new_request_id()),
            upload_id=str(request.get(_UPLOAD) or ""),
        )
        vars(request)["correlation"] = correlation.begin(ids)


@task_postrun.connect
def end(*, task: Task[Any, Any], **_options: Any) -> None:
    """Forget the ids."""
    token = getattr(task.request, "correlation", None)
    if token is not None:
        correlation.end(token)
