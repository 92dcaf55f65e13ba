"""The API matches its OpenAPI schema: every request gets a documented response, and never 500."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from myproject.wsgi import application
from tests.conftest import MakeImage, Send, key_of
from uploads import services
from uploads.models import Event, Upload
from uploads.notices import endpoints, webhooks
from uploads.serving import private_links

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.slow]

# The number of requests for each operation and mode. They are the same in each run.
TIMES = 10
CHECKED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# A stream never ends. tests/uploads/events/test_stream.py reads it.
ENDLESS = "/api/events/"
HARMLESS = settings(
    max_examples=TIMES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the database connection of the test between requests, as Django's test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def ids(owner: User, send: Send, make_image: MakeImage) -> dict[str, dict[str, str]]:
    """Return the ids of the user's own objects, by the beginning of the path."""
    upload, gone = send(), send(make_image(seed=1))
    services.delete_upload(upload=gone)
    endpoint = endpoints.add(owner=owner, url="https://example.com/")
    event = Event.objects.create(owner=owner, name=Event.Name.WEBHOOK_TEST)
    delivery = webhooks.create_delivery(event=event, endpoint=endpoint)
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    link = private_links.make(upload=upload).link
    return {
        "/api/uploads/{upload}/": {"upload": str(upload.pk), "id": str(link.pk)},
        "/api/uploads/{id}/restore/": {"id": str(gone.pk)},
        "/api/uploads/{id}/": {"id": str(upload.pk)},
        "/api/webhooks/{id}/": {"id": str(endpoint.pk)},
        "/api/webhooks/{webhook}/": {"webhook": str(endpoint.pk), "id": str(delivery.pk)},
    }


def operations() -> Iterator[Any]:
    """Yield every operation, the deletions last."""
    schema = schemathesis.openapi.from_wsgi("/api/schema/", application)
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(found) > 20
    yield from sorted(found, key=lambda operation: operation.method == "delete")


def ask(strategy: Any, **headers: str) -> None:
    @seed(1)
    @HARMLESS
    @given(case=strategy)
    def each(case: Case[Any]) -> None:
        response = case.call(headers={**headers, "X-Forwarded-Proto": "https"})
        case.validate_response(response, checks=CHECKED)

    # An operation without parameters has no invalid requests.
    with suppress(Unsatisfiable):
        each()


# PostgreSQL refuses more than SQLite, for example a NUL in a text.
@pytest.mark.postgresql
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_operations_answer_as_described_to_their_owner(
    owner: User, ids: dict[str, dict[str, str]], mode: GenerationMode
) -> None:
    token = f"Token {key_of(owner)}"
    for operation in operations():
        if operation.path == ENDLESS:
            continue
        ask(operation.as_strategy(generation_mode=mode), Authorization=token)
        own = next((names for path, names in ids.items() if operation.path.startswith(path)), None)
        if own:
            ask(operation.as_strategy(generation_mode=mode, path_parameters=own), Authorization=token)


@pytest.mark.postgresql
def test_operations_answer_as_described_to_a_visitor() -> None:
    for operation in operations():
        ask(operation.as_strategy())


def described(text: str) -> str:
    return f'{{"url": "https://a.example/", "description": "{text}"}}'


JSON = {"content_type": "application/json"}
# Requests that a schema does not produce: they break parsers, databases and numbers.
ODD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "NUL in a query": ("get", "/api/uploads/?status=%00&cursor=%00", {}),
    "NUL in a cursor": ("get", "/api/notices/?cursor=cD0wMDAw%00", {}),
    "a cursor of nonsense": ("get", "/api/uploads/?cursor=bm9uc2Vuc2U", {}),
    "a cursor with NUL inside": ("get", "/api/uploads/?cursor=cD0A", {}),
    "a cursor far away": ("get", "/api/uploads/?cursor=bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk5", {}),
    "a huge page": ("get", f"/api/uploads/?page_size={'9' * 5000}", {}),
    "a huge event": ("get", f"/api/events/?last_event_id={'9' * 5000}", {}),
    "an event that is none": ("get", "/api/events/?last_event_id=%00", {}),
    "no type is offered": ("get", "/api/uploads/", {"headers": {"Accept": "text/x-nonsense"}}),
    "a type of nonsense": ("get", "/api/uploads/", {"headers": {"Accept": "///;;;q=,\x7f"}}),
    "JSON that breaks off": ("post", "/api/webhooks/", {"data": '{"url": ', **JSON}),
    "JSON that is no object": ("post", "/api/webhooks/", {"data": "[[[]]]", **JSON}),
    "JSON nested too deeply": ("post", "/api/webhooks/", {"data": "[" * 100_000, **JSON}),
    "JSON of no encoding": ("post", "/api/webhooks/", {"data": b"\xff\xfe\x00", **JSON}),
    "half a surrogate": ("post", "/api/webhooks/", {"data": described(r"\ud800"), **JSON}),
    "NUL in JSON": ("post", "/api/webhooks/", {"data": described(r"\u0000"), **JSON}),
    "a number without end": ("post", "/api/notices/read/", {"data": f'{{"ids": [{"9" * 5000}]}}', **JSON}),
    "no number": ("patch", "/api/settings/", {"data": '{"email": NaN}', **JSON}),
    "no edge of a form": ("post", "/api/uploads/", {"data": b"x", "content_type": "multipart/form-data"}),
    "a type that is not taken": ("post", "/api/uploads/", {"data": b"x", "content_type": "text/x-nonsense"}),
    "an address with NUL": ("get", "/api/uploads/%00/", {}),
    "a verb of its own": ("generic", "/api/uploads/", {}),
    "a token of nonsense": ("get", "/api/uploads/", {"headers": {"Authorization": "Token \x00\xff"}}),
    "a token in parts": ("get", "/api/uploads/", {"headers": {"Authorization": "Token a b"}}),
    "a rendition with NUL": ("get", "/renditions/ab/abc/%00.webp", {}),
    "a preset with NUL": ("get", "/i/00000000-0000-0000-0000-000000000000/%00", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_malformed_request_is_refused_with_a_problem(client: Client, owner: User, name: str) -> None:
    verb, path, options = ODD[name]
    client.force_login(owner)
    call = partial(client.generic, "NONSENSE") if verb == "generic" else getattr(client, verb)
    answer = call(path, **options)
    assert 400 <= answer.status_code < 500 or name in TAKEN, answer.content
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


# An invalid page size means the default one, and a distant page is empty.
TAKEN = {"a huge page", "a cursor far away"}
