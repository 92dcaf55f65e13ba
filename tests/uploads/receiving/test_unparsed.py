"""A request that Django does not parse gets a problem, or a page if a browser asks for one."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from uploads.models import Upload

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FORM = "application/x-www-form-urlencoded"
FIELDS = urlencode([(f"field{number}", "") for number in range(10_000)])
BROKEN = (
    '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
    "Content-Transfer-Encoding: base64\r\n\r\n*\r\n"
)


def files(count: int) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(f"{number}.jpg", b"x") for number in range(count)]


def in_parts(count: int) -> str:
    part = '--edge\r\nContent-Disposition: form-data; name="field{}"\r\n\r\n\r\n'
    return "".join(part.format(number) for number in range(count)) + "--edge--\r\n"


@pytest.fixture
def signed_in(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def strict(owner: User) -> Client:
    """Return a client whose CSRF token Django checks, so that it reads the form before any view."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    client.cookies["csrftoken"] = "x" * 32
    return client


@pytest.fixture
def api(client_of: Callable[[User], APIClient], owner: User) -> APIClient:
    return client_of(owner)


def assert_problem(answer: Any, status: int, code: str) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:darkroom:problem:{code}"
    assert problem["detail"]


def assert_page(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-store"
    page = answer.content.decode()
    assert words in page
    assert "<header" in page


class TestAPI:
    def test_many_files_are_a_problem(self, api: APIClient) -> None:
        assert_problem(api.post("/api/uploads/", {"file": files(3000)}), 400, "too_many_files")

    def test_many_fields_in_parts_are_a_problem(self, api: APIClient) -> None:
        body, kind = in_parts(10_000), "multipart/form-data; boundary=edge"
        assert_problem(api.generic("POST", "/api/uploads/", body, kind), 400, "too_many_fields")

    @pytest.mark.parametrize("path", ["/api/uploads/", "/api/events/"])
    def test_many_parameters_are_a_problem(self, api: APIClient, path: str) -> None:
        assert_problem(api.get(f"{path}?{FIELDS}"), 400, "too_many_fields")

    def test_broken_form_is_a_problem(self, api: APIClient) -> None:
        kind = "multipart/form-data; boundary=edge"
        assert_problem(api.generic("POST", "/api/uploads/", BROKEN, kind), 400, "malformed_request")

    def test_many_files_of_a_session_are_a_problem(self, strict: Client) -> None:
        answer = strict.post("/api/uploads/", {"file": files(200)})
        assert_problem(answer, 400, "too_many_files")

    def test_foreign_host_is_a_problem(self, api: APIClient) -> None:
        answer = api.get("/api/uploads/", headers={"host": "evil.example"})
        assert_problem(answer, 400, "invalid_host")


class TestPages:
    def test_many_files_are_a_message(self, signed_in: Client) -> None:
        answer = signed_in.post("/", {"file": files(3000)}, headers=BROWSER)
        assert (answer.status_code, answer["Location"]) == (302, "/")
        (message,) = get_messages(answer.wsgi_request)
        assert "more than 100 files" in str(message)
        assert "None of these files were uploaded" in str(message)
        assert not Upload.objects.exists()

    def test_broken_form_is_a_message(self, signed_in: Client) -> None:
        answer = signed_in.generic("POST", "/", BROKEN, "multipart/form-data; boundary=edge")
        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert "malformed" in str(next(iter(get_messages(answer.wsgi_request))))

    @pytest.mark.parametrize("path", ["/uploads/selected/delete", "/accounts/login/", "/i18n/setlang/"])
    def test_many_fields_are_a_page(self, strict: Client, path: str) -> None:
        answer = strict.post(path, FIELDS, content_type=FORM, headers=BROWSER)
        assert_page(answer, 400, "more than 1000 fields")

    def test_many_parameters_are_a_page(self, signed_in: Client) -> None:
        assert_page(signed_in.get(f"/?{FIELDS}", headers=BROWSER), 400, "more than 1000 fields")

    def test_large_form_is_a_page(self, signed_in: Client) -> None:
        body = "note=" + "x" * (2 << 20) + "x" * (1 << 20)
        answer = signed_in.post("/i18n/setlang/", body, content_type=FORM, headers=BROWSER)
        assert_page(answer, 413, "too large")

    @pytest.mark.parametrize("host", ["evil.example", "a b", "localhost:", "[::1", "x" * 300])
    def test_foreign_host_is_a_page(self, client: Client, host: str) -> None:
        assert_page(client.get("/", headers={**BROWSER, "host": host}), 400, "host name")

    def test_page_is_in_the_language_of_the_browser(self, client: Client) -> None:
        headers = {**BROWSER, "host": "evil.example", "Accept-Language": "de"}
        assert_page(client.get("/", headers=headers), 400, "Rechnernamen")

    def test_program_gets_a_problem(self, signed_in: Client) -> None:
        """A program that does not ask for a page, such as curl, gets none."""
        assert_problem(signed_in.get(f"/?{FIELDS}"), 400, "too_many_fields")
        assert_problem(signed_in.get("/", headers={"host": "evil.example"}), 400, "invalid_host")
