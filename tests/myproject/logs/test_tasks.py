"""The ids of a request go with its messages, and are those of the lines of their tasks."""

from typing import Any

import pytest

from myproject.logs import tasks
from processing import correlation
from processing.correlation import Correlation
from uploads.tasks import deliver

ID = "0123456789abcdef"


def headers_in(ids: Correlation) -> dict[str, Any]:
    """Return the headers of a message that is published with these ids."""
    headers: dict[str, Any] = {}
    with correlation.carried(request_id=ids.request_id, upload_id=ids.upload_id):
        tasks.carry(headers=headers)
    return headers


def ids_in_a_task(**request: Any) -> Correlation:
    """Return the ids that a task sees."""
    deliver.push_request(**request)
    try:
        tasks.begin(task=deliver)
        seen = correlation.current()
        tasks.end(task=deliver)
    finally:
        deliver.pop_request()
    return seen


@pytest.mark.parametrize("upload_id", ["", "7"])
def test_task_has_the_ids_of_its_message(upload_id: str) -> None:
    ids = Correlation(request_id=ID, upload_id=upload_id)
    assert ids_in_a_task(**headers_in(ids)) == ids
    assert correlation.current() == Correlation()


def test_message_without_an_id_gets_one() -> None:
    assert len(ids_in_a_task().request_id) == 32


def test_task_that_runs_at_once_keeps_the_ids_of_its_caller() -> None:
    with correlation.carried(request_id=ID, upload_id=""):
        assert ids_in_a_task(is_eager=True).request_id == ID
