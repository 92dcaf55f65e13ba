"""Every page, picture and view of the API answers 503 with `Retry-After` if the database is unavailable."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import DataError, InterfaceError, InternalError, OperationalError
from django.db.backends.utils import CursorWrapper
from django.http import HttpResponse
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

# Any id will do; each process of the tests needs the same.
UPLOAD = "00000000-0000-4000-8000-000000000000"
PATHS = [
    "/",
    f"/i/{UPLOAD}/thumb",
    f"/i/{UPLOAD}/thumb.webp",
    f"/renditions/{'0' * 16}/{'0' * 40}/thumb-0.webp",
    f"/uploads/{UPLOAD}/original",
    "/status/",
    "/account/export",
    "/accounts/email/",
    "/admin/",
    "/api/uploads/",
    "/api/events/",
]


@pytest.fixture
def fail(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Return a function that lets every query of the signed-in client fail."""

    def fail(error: Exception) -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise error

        monkeypatch.setattr(CursorWrapper, "execute", refuse)

    return fail


def assert_unavailable(answer: HttpResponse) -> None:
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_503(signed_in: Client, fail: Callable[[Exception], None], path: str) -> None:
    fail(InternalError("cannot execute UPDATE in a read-only transaction"))
    answer: Any = signed_in.get(path)
    assert_unavailable(answer)
    if path != "/status/":
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "database_unavailable"


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_browser_gets_a_page(
    signed_in: Client, fail: Callable[[Exception], None], error: type[Exception]
) -> None:
    fail(error("<it> is shutting down"))
    answer: Any = signed_in.get("/", headers={"accept": "text/html,*/*;q=0.8", "accept-language": "de"})
    assert_unavailable(answer)
    assert answer["Content-Type"].startswith("text/html")
    assert answer["Cache-Control"] == "no-store"
    assert "Die Datenbank" in answer.content.decode()
    assert "shutting down" not in answer.content.decode()


@pytest.mark.parametrize(("error", "status"), [(OperationalError, 503), (DataError, 500)])
def test_exception_of_a_middleware_is_answered_too(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch, error: type[Exception], status: int
) -> None:
    def refuse(*_arguments: object) -> None:
        raise error("the connection is lost")

    monkeypatch.setattr(SessionStore, "is_empty", refuse)
    signed_in.raise_request_exception = False
    answer: Any = signed_in.get("/", headers={"accept": "text/html"})
    assert answer.status_code == status
    assert answer.get("Retry-After") == ("60" if status == 503 else None)


def test_other_errors_of_the_database_stay_server_errors(
    signed_in: Client, fail: Callable[[Exception], None]
) -> None:
    fail(DataError("out of range"))
    with pytest.raises(DataError):
        signed_in.get("/")
