"""Count HTTP requests by route, method and status, around everything that answers them."""

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPMethod
from typing import Any

from django.http import HttpRequest

from processing.metrics.counters import COUNTERS
from processing.metrics.families import REQUEST_SECONDS, REQUESTS, RESPONSES

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS = {method.value for method in HTTPMethod}
# The key of an ASGI scope. All copies of the scope share its value, a list that gets the name of the route.
_KEY = "darkroom.route"
# The label of requests that reached no view, or whose client went before the response.
_NONE = "none"


class RequestMetrics:
    """An ASGI application that counts the requests of another one."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and count it when its response begins, or when it ends without one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route: list[str] = []
        counted = False
        begun = time.monotonic()

        def count(status: str) -> None:
            nonlocal counted
            if not counted:
                counted = True
                method = scope["method"] if scope["method"] in _METHODS else _NONE
                name = route[0] if route else _NONE
                COUNTERS.count(REQUESTS, name, method, status)
                COUNTERS.count(RESPONSES, status if status == _NONE else f"{status[0]}xx")
                COUNTERS.observe(REQUEST_SECONDS, name, seconds=time.monotonic() - begun)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(str(message["status"]))
            await send(message)

        try:
            await self._app({**scope, _KEY: route}, receive, send_counted)
        except Exception:
            count("500")  # the server's own answer
            raise
        finally:
            count(_NONE)


def note_route(request: HttpRequest) -> None:
    """Note which route has answered a request."""
    route = getattr(request, "scope", {}).get(_KEY)
    if route is not None and request.resolver_match is not None:
        route.append(request.resolver_match.view_name or _NONE)
