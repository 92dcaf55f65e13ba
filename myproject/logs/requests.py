"""One line for each request, and the id that the lines of its tasks and deliveries have too."""

import logging
import re
import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, resolve

from processing import correlation
from processing.correlation import Correlation
from uploads.receiving.body_guard import Application, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

_HEADER = b"x-request-id"
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# The name of a preset, which a route captures besides ids.
_PLAIN = re.compile(r"[\w-]{1,40}(\.\w{1,5})?", re.ASCII)
# Requests that a balancer or a browser makes all the time are logged at the level DEBUG.
_ROUTINE = ("healthz", "readyz", "metrics")
_NO_ROUTE = "(no such path)"
# The member of the scope with the `Line` of the request.
LINE = "darkroom.line"


class Line:
    """The line of one request. Django's handler notes the route, which the server does not know."""

    def __init__(self, method: str) -> None:
        self.method = method
        self._begun = time.monotonic()
        self._is_routine = False
        self.path = _NO_ROUTE
        self._upload_id = ""
        self.status: int | None = None

    def note(self, request: HttpRequest) -> None:
        """Note the route of a request, and the upload that it was about."""
        if request.path_info.startswith(settings.STATIC_URL):
            self.path, self._is_routine = request.path_info, True
            return
        match = request.resolver_match or _resolved(request.path_info)
        if match is not None:
            self.path = shown_path(match)
            self._is_routine = match.route in _ROUTINE
            self._upload_id = _upload_of(match)

    def note_upload(self, upload_id: str) -> None:
        """Note the upload that the request has made or changed."""
        self._upload_id = upload_id or self._upload_id

    def attributes(self) -> dict[str, str | int]:
        """Return what a trace tells of the request, in OpenTelemetry's words."""
        found: dict[str, str | int] = {"http.request.method": self.method, "http.route": self.path}
        if self.status is not None:
            found["http.response.status_code"] = self.status
        if self._upload_id:
            found["darkroom.upload_id"] = self._upload_id
        return found

    def write(self) -> None:
        """Log the line. Without a response, the client has gone before there was one."""
        seconds = round(time.monotonic() - self._begun, 3)
        level = logging.DEBUG if self._is_routine else logging.INFO
        if self.status is not None and self.status >= 500:
            level = logging.DEBUG if self._is_routine else logging.WARNING
        logger.log(
            level,
            "%s %s %s in %s s",
            self.method,
            self.path,
            self.status or "without a response",
            seconds,
            extra={
                "method": self.method,
                "path": self.path,
                "status": self.status,
                "seconds": seconds,
                "upload_id": self._upload_id,
            },
        )


class RequestLog:
    """An ASGI application that wraps the site's, gives each request its id, and logs it when it ends."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request; the response has its id in `X-Request-ID`."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        line, request_id = Line(scope["method"]), _id_of(scope)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                line.status = message["status"]
                message = {**message, "headers": [*message["headers"], (_HEADER, request_id.encode())]}
            await send(message)

        token = correlation.begin(Correlation(request_id=request_id))
        try:
            await self._application({**scope, LINE: line}, receive, send_with_id)
        finally:
            line.write()
            correlation.end(token)


def is_from_a_proxy(scope: Scope) -> bool:
    """Return whether a trusted proxy has passed on the request.

    The server has then replaced the proxy's address by that of its client, which has no port.
    """
    client = scope.get("client")
    return bool(client and not client[1])


def line_of(request: HttpRequest) -> Line | None:
    """Return the line of a request, or None if another server than ours passes it on."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    line = scope.get(LINE)
    return line if isinstance(line, Line) else None


def shown_path(match: ResolverMatch) -> str:
    """Return a path with its ids and presets, but not with the keys of links and files."""

    def shown(captured: re.Match[str]) -> str:
        value = match.kwargs.get(captured["name"])
        is_harmless = isinstance(value, UUID | int) or (
            captured["name"] == "name" and _PLAIN.fullmatch(str(value)) is not None
        )
        return str(value) if is_harmless else f"<{captured['name']}>"

    return "/" + re.sub(r"<(\w+:)?(?P<name>\w+)>", shown, match.route)


def _id_of(scope: Scope) -> str:
    """Return the id that a trusted proxy has given to a request, or a new one."""
    if is_from_a_proxy(scope):
        given = [value for name, value in scope["headers"] if name == _HEADER]
        if len(given) == 1 and _WELL_FORMED.fullmatch(given[0]):
            return str(given[0].decode())
    return correlation.new_request_id()


def _resolved(path: str) -> ResolverMatch | None:
    """Return the route of a request that was refused before Django has looked for it."""
    try:
        return resolve(path)
    except Resolver404:
        return None


def _upload_of(match: ResolverMatch) -> str:
    of_api = match.kwargs.get("pk") if "uploads/<" in match.route else None
    return str(match.kwargs.get("upload_id") or of_api or "")
