"""A visitor of a running site over plain HTTP: with cookies and forms like a browser, or with a token."""

import http.client
import json
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from deploy.ports import HOST

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the site. The names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.headers.get("location", "")


@dataclass(slots=True)
class Visitor:
    """One person's browser or program. The site sees the requests come from `address`."""

    port: int
    address: str = HOST
    token: str = ""
    name: str = ""
    email: str = ""
    password: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request, and keep the cookies of the response. Redirects are not followed."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        source = (self.address, 0)
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=60, source_address=source)) as line:
            line.request(method, path, body, {**self._headers(), **(headers or {})})
            response = line.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, names, response.read())
            for cookie in response.headers.get_all("Set-Cookie") or []:
                self._keep(cookie)
            return answer

    def get(self, url: str) -> Answer:
        return self.request("GET", url)

    def post(self, url: str, /, **fields: str) -> Answer:
        """Send a form as a browser does, with the CSRF token of the site."""
        if "csrftoken" not in self.cookies:
            self.get("/accounts/login/")
        body = urlencode({"csrfmiddlewaretoken": self.cookies.get("csrftoken", ""), **fields}).encode()
        return self.request("POST", url, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def call(self, method: str, url: str, /, **fields: object) -> Answer:
        """Send a request of the API, with JSON if there are fields."""
        return self.request(method, url, json.dumps(fields).encode() if fields else b"", JSON)

    def send(self, *pictures: bytes, name: str = "photo.jpg", visibility: str = "") -> Answer:
        """Upload a picture. Several pictures are several parts of one form."""
        fields = {"visibility": visibility} if visibility else {}
        return self.request("POST", "/api/uploads/", *form(pictures, name=name, fields=fields))

    def upload(self, upload_id: str) -> Any:
        return self.get(f"/api/uploads/{upload_id}/").json()

    def sign_up(self) -> Answer:
        return self.post(
            "/accounts/signup/", email=self.email, password1=self.password, password2=self.password
        )

    def sign_in(self, *, login: str = "", password: str = "") -> Answer:
        return self.post("/accounts/login/", login=login or self.email, password=password or self.password)

    def is_signed_in(self) -> bool:
        """Return whether the account page opens: a visitor is redirected to the sign-in page."""
        return self.get("/account/").status == http.client.OK

    def _headers(self) -> dict[str, str]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if self.token:
            return {"Authorization": f"Token {self.token}"}
        return {**headers, "X-CSRFToken": self.cookies.get("csrftoken", "")}

    def _keep(self, cookie: str) -> None:
        for name, morsel in SimpleCookie(cookie).items():
            if morsel.value:
                self.cookies[name] = morsel.value
            else:
                self.cookies.pop(name, None)


def form(
    pictures: tuple[bytes, ...], *, name: str, fields: Mapping[str, str]
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form with these parts named `file`."""
    boundary = uuid.uuid4().hex
    parts = [(f'name="{key}"', value.encode()) for key, value in fields.items()]
    parts += [(f'name="file"; filename="{name}"', data) for data in pictures]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }
