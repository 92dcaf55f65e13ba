"""The web process: `uvicorn myproject.asgi:application --http myproject.head_guard:HeadGuard`."""

import asyncio
import os
from collections.abc import Mapping
from importlib import import_module
from io import SEEK_END
from typing import IO, Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from myproject.connection_pool import share_connections
from myproject.csp import add_policy
from myproject.head_guard import HeadGuard
from myproject.logs.requests import RequestLog, line_of
from myproject.postgresql.time_limits import limit_statements
from myproject.startup import refuse_errors, report_ready
from myproject.sub_path.requests import SubPath
from myproject.telemetry.starting import traced
from processing import conf, correlation
from processing.renderer.pool import POOL
from uploads.monitoring.requests import RequestMetrics, note_route
from uploads.problems import Busy, answer, malformed_request, refused
from uploads.receiving.body_guard import BodyGuard
from uploads.receiving.turns import Turns

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
# Monitoring is answered while all turns are taken. `/healthz` waits for nothing. `/readyz` waits for a check
# that all who ask share, so a few threads are enough for any number of them.
_HEALTH, _READINESS = "/healthz", "/readyz"
_READINESS_AT_ONCE, _READINESS_WAITING = 8, 10_000


class Handler(ASGIHandler):
    """Django's handler, which also accepts bodies of unknown length, and limits the requests at work.

    A request has its turn while a thread works on it: not while its body arrives or its response is sent.
    So neither slow clients nor event streams take a turn.
    """

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns
        self._readiness = Turns(_READINESS_AT_ONCE, most_waiting=_READINESS_WAITING)

    def load_middleware(self, is_async: bool = False) -> None:
        """Build a synchronous chain: switching threads in each middleware doubled the cost of a request."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the whole request in one thread, when it is its turn."""
        if line := line_of(request):
            line.note(request)
        if request.path_info == _HEALTH:
            return await self._work(request)
        turns = self._readiness if request.path_info == _READINESS else self._turns
        try:
            async with turns.taken():
                return await self._work(request)
        except Busy as busy:
            response = answer(request, busy)
            add_policy(response)
            return response

    async def _work(self, request: HttpRequest) -> HttpResponseBase:
        """Wait until the thread has ended, even if the client has gone: until then it takes the turn."""
        work = asyncio.ensure_future(sync_to_async(self._respond, thread_sensitive=True)(request))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            response = await work
            await sync_to_async(response.close)()
            raise

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request, and give its database connection back before the response is sent."""
        try:
            return self.get_response(request)
        finally:
            if line := line_of(request):
                line.note_upload(correlation.current().upload_id)
            note_route(request)
            close_old_connections()

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Add the length of a chunked body, because Django reads no body without a length."""
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            length = body_file.seek(0, SEEK_END)
            body_file.seek(0)
            scope = {**scope, "headers": [*scope["headers"], (b"content-length", str(length).encode())]}
        request, response = super().create_request(scope, body_file)
        if request is None:
            response = refused(malformed_request())
            add_policy(response)
            return None, response
        return request, None


django.setup(set_prefix=False)
limit_statements()
share_connections()
refuse_errors()
# Imported after `django.setup()`, because they need the models.
admission = import_module("uploads.receiving.admission")
import_module("uploads.monitoring.pulse").start_web()
HeadGuard.end_streams = staticmethod(import_module("uploads.events.stream").end_all)
# A renderer reads the headers of received files.
POOL.prepare(conf.renderer_options())
turns = Turns(conf.darkroom().requests_at_once)
served = SubPath(BodyGuard(Handler(turns), admission=admission.refusal_of, turns=turns))
application = RequestMetrics(RequestLog(traced(served)))
# The socket already listens if systemd starts this process.
report_ready()
