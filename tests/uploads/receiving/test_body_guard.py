"""The body guard refuses requests before Django reads them, and passes others on unchanged."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.utils import timezone

from myproject.asgi import application
from processing.database.availability import DATABASE_UNAVAILABLE
from tests.conftest import MakeImage, key_of
from uploads.models import Quota, Upload
from uploads.receiving import body_guard, quotas
from uploads.receiving.turns import Turns
from uploads.tokens import issuing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
MEGABYTE = 1 << 20


class Client:
    """Sends a request in pieces, and records how much of it was read, and the response."""

    def __init__(self, path: str = "/api/uploads/", *, token: str = "", **headers: str) -> None:
        fields = {"host": "localhost", **headers}
        if token:
            fields["authorization"] = f"Token {token}"
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()],
            "client": ("192.0.2.7", 1),
            "server": ("localhost", 80),
        }
        self.taken = self.taken_unanswered = 0
        self.events: list[Mapping[str, Any]] = []

    def send(self, *pieces: bytes, then_wait: bool = False) -> int:
        """Send the pieces, and return the status of the response."""
        asyncio.run(self._send([*pieces], then_wait=then_wait))
        return int(self.events[0]["status"])

    async def _send(self, pieces: list[bytes], *, then_wait: bool) -> None:
        ended = then_wait

        async def receive() -> Mapping[str, Any]:
            nonlocal ended
            if pieces:
                piece = pieces.pop(0)
                self.taken += len(piece)
                return {"type": "http.request", "body": piece, "more_body": True}
            if ended:
                await asyncio.Event().wait()
            ended = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def note(event: Mapping[str, Any]) -> None:
            self.taken_unanswered = self.taken if not self.events else self.taken_unanswered
            self.events.append(event)

        await application(self.scope, receive, note)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.events[0]["headers"]}

    @property
    def problem(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(b"".join(event.get("body", b"") for event in self.events[1:]))
        return answer


@pytest.fixture
def token(owner: User) -> str:
    return key_of(owner)


def form(data: bytes) -> bytes:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    return head + data + b"\r\n--edge--\r\n"


FORM = "multipart/form-data; boundary=edge"


@pytest.fixture
def small(settings: Any) -> None:
    """Accept a megabyte at most, and wait only briefly."""
    settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": MEGABYTE, "BODY_TIMEOUT": 0.2}


@pytest.mark.usefixtures("small")
class TestSize:
    def test_declared_oversized_body_is_refused_unread(self, token: str) -> None:
        client = Client(token=token, content_length=str(2 * MEGABYTE), content_type=FORM)
        assert client.send(bytes(2 * MEGABYTE)) == 413
        assert client.taken_unanswered == 0
        assert client.headers["connection"] == "close"
        assert client.problem["code"] == "too_large"
        assert client.problem["detail"] == "The request is larger than 1 MB. Upload a smaller file."

    def test_chunked_oversized_body_is_refused_at_the_limit(self, token: str) -> None:
        client = Client(token=token, transfer_encoding="chunked", content_type=FORM)
        assert client.send(*[bytes(MEGABYTE // 4)] * 40) == 413
        assert client.taken_unanswered <= 1.25 * MEGABYTE
        assert client.problem["code"] == "too_large"

    def test_sender_that_continues_still_gets_the_response(self, token: str) -> None:
        client = Client(token=token, content_length=str(2 * MEGABYTE), content_type=FORM)
        assert client.send(*[bytes(MEGABYTE // 2)] * 4) == 413
        assert client.taken == 2 * MEGABYTE
        assert client.events[-1].get("more_body", False) is False

    def test_oversized_body_of_a_visitor_is_refused(self) -> None:
        assert Client(content_length=str(2 * MEGABYTE)).send() == 413

    def test_other_urls_have_a_lower_limit(self, token: str) -> None:
        client = Client("/api/settings/", token=token, content_length=str(3 * MEGABYTE))
        assert client.send() == 413
        assert client.problem["detail"] == "The request is larger than 2.5 MB. Upload a smaller file."

    def test_response_is_in_the_language_of_the_request(self, token: str) -> None:
        client = Client(token=token, content_length=str(2 * MEGABYTE), accept_language="de")
        assert client.send() == 413
        assert client.problem["detail"].startswith("Die Anfrage ist größer als 1 MB")

    def test_oversized_form_shows_a_message_on_the_page(self, owner: User) -> None:
        from_page = Client("/", content_length=str(11 * MEGABYTE), cookie=session_cookie(owner))
        assert from_page.send() == 302
        assert from_page.headers["location"] == "/"
        assert from_page.headers["set-cookie"].startswith("messages=")


class TestPace:
    pytestmark = pytest.mark.usefixtures("small")

    def test_stalled_body_is_refused(self, token: str) -> None:
        client = Client(token=token, content_length="1000", content_type=FORM)
        assert client.send(b"--edge", then_wait=True) == 408
        assert client.problem["code"] == "too_slow"
        assert not Upload.objects.exists()

    def test_slow_body_is_refused(self, token: str, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "BODY_RATE": 10**9}
        body = body_guard.Body(silent, limit=MEGABYTE, length=None)
        assert body._patience() == pytest.approx(0.2, abs=0.05)
        body._came, body._began_at = 10**9, body._began_at - 2  # type: ignore[operator]
        assert body._patience() == 0


async def ignore(event: Mapping[str, Any]) -> None:
    """Ignore the response."""


async def silent() -> Mapping[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


class TestAdmission:
    def test_visitor_is_refused_before_sending(self) -> None:
        client = Client(content_length="1000", content_type=FORM)
        assert client.send() == 401
        assert client.headers["www-authenticate"] == "Token"
        assert client.problem["code"] == "not_authenticated"

    def test_full_quota_is_refused_before_sending(self, owner: User, token: str, settings: Any) -> None:
        Quota.objects.create(owner=owner, images=3, max_images=3)
        client = Client(token=token, content_length="1000", content_type=FORM)
        assert client.send() == 507
        assert client.problem["code"] == "quota_exceeded"
        assert client.problem["detail"].startswith("You have 3 of 3 images.")

    def test_file_beyond_the_quota_is_refused_before_sending(self, owner: User, token: str) -> None:
        Quota.objects.create(owner=owner, max_bytes=MEGABYTE)
        client = Client(token=token, content_length=str(2 * MEGABYTE), content_type=FORM)
        assert client.send() == 507

    def test_rate_limit_is_applied_before_sending(
        self, owner: User, token: str, settings: Any, make_image: MakeImage, redis_client: object
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "1/hour"}
        body = form(make_image())
        first = Client(token=token, content_length=str(len(body)), content_type=FORM)
        assert first.send(body) == 201
        second = Client(token=token, content_length=str(len(body)), content_type=FORM)
        assert second.send() == 429
        assert second.problem["code"] == "rate_limited"
        assert 0 < int(second.headers["retry-after"]) <= 7200

    def test_request_is_counted_once(
        self, token: str, settings: Any, make_image: MakeImage, redis_client: object
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_ADDRESS": "2/hour"}
        for seed, status in enumerate((201, 201, 429)):
            body = form(make_image(seed=seed))
            client = Client(token=token, content_length=str(len(body)), content_type=FORM)
            assert client.send(body) == status

    @pytest.mark.parametrize(("scope", "status"), [("read", 403), ("upload", 201), ("all", 201)])
    def test_token_scope_is_checked_before_the_body_is_read(
        self, owner: User, make_image: MakeImage, scope: str, status: int, redis_client: object
    ) -> None:
        body = form(make_image())
        client = Client(token=key_of(owner, scope), content_length=str(len(body)), content_type=FORM)
        assert client.send(body) == status
        if status == 403:
            assert client.taken_unanswered == 0
            assert client.problem["code"] == "scope_missing"
            assert "the scope upload" in client.problem["detail"]

    @pytest.mark.parametrize("code", ["token_expired", "token_revoked"])
    def test_ended_token_is_refused_before_the_body_is_read(self, owner: User, code: str) -> None:
        key = key_of(owner, expires_at=timezone.now() if code == "token_expired" else None)
        if code == "token_revoked":
            issuing.revoke_tokens(owner)
        client = Client(token=key, content_length="1000", content_type=FORM)
        assert client.send() == 401
        assert client.taken == 0
        assert client.problem["code"] == code
        assert client.headers["www-authenticate"] == "Token"

    def test_admission_applies_to_the_form(self, owner: User) -> None:
        Quota.objects.create(owner=owner, images=3, max_images=3)
        client = Client("/", content_length="1000", content_type=FORM, cookie=session_cookie(owner))
        assert client.send() == 302
        assert client.headers["set-cookie"].startswith("messages=")

    def test_admission_applies_to_the_widget_of_forms(self, owner: User) -> None:
        Quota.objects.create(owner=owner, images=3, max_images=3)
        cookie = session_cookie(owner)
        client = Client("/pictures/", content_length="1000", content_type=FORM, cookie=cookie)
        assert client.send() == 507
        assert client.taken == 0
        assert client.problem["code"] == "quota_exceeded"

    @pytest.mark.parametrize("error", DATABASE_UNAVAILABLE)
    def test_body_is_refused_while_the_database_is_unavailable(
        self, error: type[Exception], token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**_options: Any) -> None:
            raise error("The connection is closed.")

        monkeypatch.setattr(quotas, "check", fail)
        client = Client(token=token, content_length="1000", content_type=FORM)
        assert client.send() == 503
        assert client.taken == 0
        assert client.problem["code"] == "database_unavailable"
        assert client.headers["retry-after"] == "60"

    def test_form_of_a_visitor_is_not_read(self) -> None:
        client = Client("/", content_length="1000", content_type=FORM)
        assert client.send() == 302
        assert client.headers["location"] == "/accounts/login/?next=/"

    def test_picture_of_a_visitor_is_not_read(self) -> None:
        client = Client("/pictures/", content_length="1000", content_type=FORM)
        # The token of the form is in the body.
        assert client.send() == 403
        assert client.taken == 0


def session_cookie(person: User) -> str:
    browser = Browser()
    browser.force_login(person)
    return f"sessionid={browser.cookies['sessionid'].value}"


def test_few_bodies_of_unknown_length_are_admitted_at_once() -> None:
    inside = most = 0

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    async def send_many() -> None:
        client = Client(transfer_encoding="chunked")
        await asyncio.gather(*(door(client.scope, silent, ignore) for _ in range(20)))

    door = body_guard.BodyGuard(inner, admission=lambda scope, byte_size: None, turns=Turns(20))
    asyncio.run(send_many())
    assert most == body_guard._UNKNOWN_AT_ONCE
    assert len(door._turns) == 0
