"""Requests of a site below a sub-path.

A proxy passes on whole paths, or paths without the sub-path. Django needs it once at the beginning of each
path, and in `root_path` (ASGI, HTTP connection scope).
"""

import logging
from http.cookies import Morsel

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from uploads.receiving.body_guard import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)


class SubPath:
    """An ASGI application that wraps the site's, and makes the paths of all requests alike."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._has_complained = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request with its whole path."""
        if scope["type"] == "http":
            self._compare(scope.get("root_path", ""))
            scope = with_sub_path(scope, settings.SUB_PATH)
        await self._application(scope, receive, send)

    def _compare(self, root_path: str) -> None:
        """Log once that `--root-path` and `SITE_URL` differ. The server tells its path to requests alone."""
        given = root_path.rstrip("/")
        if given and given != settings.SUB_PATH and not self._has_complained:
            self._has_complained = True
            logger.error(
                "uvicorn's --root-path is %s, but SITE_URL is %s: links in mail are wrong. "
                "End SITE_URL with the same path.",
                given,
                settings.SITE_URL,
            )


def with_sub_path(scope: Scope, default: str) -> Scope:
    """Return a request's scope with the sub-path once at the beginning of its path.

    The server's `root_path` counts, or else the default. uvicorn puts its `root_path` before every path, also
    before one that a proxy has passed on whole.
    """
    given = scope.get("root_path", "").rstrip("/")
    below = given or default
    path = _without(_without(scope["path"], given), below)
    return {**scope, "root_path": below, "path": f"{below}{path}"}


def _without(path: str, beginning: str) -> str:
    return path.removeprefix(beginning) if path == beginning or path.startswith(f"{beginning}/") else path


class CookiePathMiddleware(MiddlewareMixin):
    """Keep the site's cookies below its sub-path, because other sites may share its host."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Narrow the path of every cookie that would be sent to the whole host."""
        cookies: list[Morsel[str]] = list(response.cookies.values())
        for cookie in cookies:
            if cookie["path"] == "/":
                cookie["path"] = f"{request.META.get('SCRIPT_NAME', '')}/"
        return response
