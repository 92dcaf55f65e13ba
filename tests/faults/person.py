"""A user of a site over HTTP: with a token like a program, or with a cookie like a browser."""

import http.client
import json
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from deploy.ports import HOST


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the site."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Person:
    """One user, and the uploads that the site has accepted: the SHA-256 of each by its id."""

    name: str
    token: str
    session: str
    port: int
    host: str = HOST
    sent: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def send(self, data: bytes, *, name: str = "photo.jpg") -> Answer:
        """Upload a file, and remember it if it was accepted."""
        answer = self.request("POST", "/api/uploads/", *multipart(data, name=name))
        if answer.status in {200, 201}:
            upload = answer.json()
            self.sent[upload["id"]] = upload["content_hash"]
        return answer

    def replace(self, upload_id: str, data: bytes) -> Answer:
        """Replace the file of an upload, and remember it if it was accepted."""
        answer = self.request("PUT", f"/api/uploads/{upload_id}/file/", *multipart(data, name="new.jpg"))
        if answer.status == 200:
            self.sent[upload_id] = answer.json()["content_hash"]
        return answer

    def delete(self, upload_id: str) -> Answer:
        answer = self.request("DELETE", f"/api/uploads/{upload_id}/")
        if answer.status == 204:
            self.deleted.add(upload_id)
        return answer

    def restore(self, upload_id: str) -> Answer:
        answer = self.request("POST", f"/api/uploads/{upload_id}/restore/")
        if answer.status == 200:
            self.deleted.discard(upload_id)
        return answer

    def look_at(self, upload_id: str, *, x: float, y: float) -> Answer:
        """Set the focal point of an upload."""
        body = json.dumps({"focus": {"x": x, "y": y}}).encode()
        headers = {"Content-Type": "application/json"}
        return self.request("PATCH", f"/api/uploads/{upload_id}/", body, headers)

    def reprocess(self, upload_id: str) -> Answer:
        return self.request("POST", f"/api/uploads/{upload_id}/reprocess/")

    def upload(self, upload_id: str) -> Any:
        return self.request("GET", f"/api/uploads/{upload_id}/").json()

    def page(self) -> Answer:
        """Open the upload page as a browser does."""
        return self.request("GET", "/", headers={"Cookie": f"sessionid={self.session}"})

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        authorization = {} if headers and "Cookie" in headers else {"Authorization": f"Token {self.token}"}
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=60)) as connection:
            connection.request(method, path, body, {**authorization, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.read())


def multipart(data: bytes, *, name: str) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form with one file."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
