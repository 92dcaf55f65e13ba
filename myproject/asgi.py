"""The web process: `uvicorn myproject.asgi:application`."""

import os
from collections.abc import Mapping
from importlib import import_module
from io import SEEK_END
from typing import IO, Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from myproject.startup import refuse_errors
from processing import conf
from processing.renderer.pool import POOL
from uploads.receiving.body_guard import BodyGuard

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")


class Handler(ASGIHandler):
    """Django's handler, which also accepts bodies of unknown length."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Build a synchronous chain: switching threads in each middleware doubled the cost of a request."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the whole request in one thread."""
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Add the length of a chunked body, because Django reads no body without a length."""
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            length = body_file.seek(0, SEEK_END)
            body_file.seek(0)
            scope = {**scope, "headers": [*scope["headers"], (b"content-length", str(length).encode())]}
        return super().create_request(scope, body_file)


django.setup(set_prefix=False)
refuse_errors()
# Imported after `django.setup()`, because it needs the models.
admission = import_module("uploads.receiving.admission")
# It reads the headers of received files.
POOL.prepare(conf.renderer_options())
application = BodyGuard(Handler(), admission=admission.refusal_of)
