"""The content security policy: on every response, without inline code, and not over a stricter policy."""

import pytest
from django.test import Client

from tests.conftest import Send

pytestmark = pytest.mark.any_database

STRICT = {"default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/accounts/login/",
        "/api/docs/",
        "/api/uploads/",
        "/admin/",
        "/nothing/",
        "/healthz",
        "/favicon.ico",
    ],
)
def test_every_response_has_the_policy(client: Client, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]
    assert set(policy.split("; ")) >= STRICT
    assert "unsafe" not in policy
    assert "*" not in policy


@pytest.mark.django_db
def test_error_response_has_the_policy(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr("uploads.monitoring.readiness.look", lambda: 1 / 0)
    answer = client.get("/readyz")
    assert answer.status_code == 500
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.django_db
def test_original_has_a_stricter_policy(client: Client, send: Send) -> None:
    upload = send()
    client.force_login(upload.owner)
    answer = client.head(f"/uploads/{upload.pk}/original")
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
