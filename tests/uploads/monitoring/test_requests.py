"""The metrics of requests: each request counts once, with the route, method and status of its response."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import resolve

from processing.metrics.counters import COUNTERS
from uploads.monitoring.requests import Receive, RequestMetrics, Scope, Send, note_route


@pytest.fixture(autouse=True)
def _counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(COUNTERS, "is_on", True)
    yield
    COUNTERS.take()


async def _nothing(*_arguments: Any) -> Any:
    return {}


def counted(app: Any, *, method: str = "GET", kind: str = "http") -> dict[tuple[str, ...], float]:
    """Call an application once, and return the counted requests by their labels."""
    scope = {"type": kind, "method": method, "path": "/"}
    with suppress(RuntimeError):
        asyncio.run(RequestMetrics(app)(scope, _nothing, _nothing))
    taken = COUNTERS.take()
    return {series.labels: n for series, n in taken.items() if series.family == "darkroom_requests"}


def answering(status: int, *, path: str = "") -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if path:
            request = RequestFactory().get(path)
            request.scope = dict(scope)  # type: ignore[attr-defined]
            request.resolver_match = resolve(path)
            note_route(request)
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b""})

    return app


async def crash(*_arguments: Any) -> None:
    raise RuntimeError("a bug")


def test_request_is_counted_with_its_route() -> None:
    assert counted(answering(200, path="/healthz")) == {("uploads:healthz", "GET", "200"): 1}


def test_answer_without_a_view_is_counted() -> None:
    assert counted(answering(413), method="POST") == {("none", "POST", "413"): 1}


def test_invented_method_is_no_label() -> None:
    assert counted(answering(405), method="BREW" * 100) == {("none", "none", "405"): 1}


def test_error_of_the_application_is_a_500() -> None:
    assert counted(crash) == {("none", "GET", "500"): 1}


def test_request_whose_client_has_gone_has_no_status() -> None:
    assert counted(_nothing) == {("none", "GET", "none"): 1}


def test_class_of_a_response_is_counted() -> None:
    for status in (200, 503):
        asyncio.run(RequestMetrics(answering(status))({"type": "http", "method": "GET"}, _nothing, _nothing))
    taken = COUNTERS.take()
    classes = {series.labels: n for series, n in taken.items() if series.family == "darkroom_responses"}
    assert classes == {("2xx",): 1, ("5xx",): 1}


def test_only_http_is_counted() -> None:
    assert counted(_nothing, kind="lifespan") == {}


def test_time_of_a_request_is_counted() -> None:
    asyncio.run(RequestMetrics(answering(200))({"type": "http", "method": "GET"}, _nothing, _nothing))
    buckets = {s: n for s, n in COUNTERS.take().items() if s.family == "darkroom_request_seconds"}
    assert {s.labels for s in buckets} == {("none",)}
    assert sum(n for series, n in buckets.items() if series.part != "sum") == 1


def test_request_of_another_server_has_no_route() -> None:
    request = RequestFactory().get("/healthz")
    request.resolver_match = resolve("/healthz")
    note_route(request)
    assert not hasattr(request, "scope")
