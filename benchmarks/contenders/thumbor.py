"""thumbor at its own defaults: nine requests, one after the other, to a server in this process."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from thumbor.config import Config
from thumbor.context import Context, ServerParameters
from thumbor.server import get_application, get_importer
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from benchmarks.work import QUALITY, Rendition

_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_servers: dict[Path, int] = {}


def prepare(*, source: Path, folder: Path) -> None:
    """Start the server for the picture's folder, once."""
    if source.parent not in _servers:
        _servers[source.parent] = _loop.run_until_complete(_start(source.parent))


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    return _loop.run_until_complete(_request_all(source, folder, renditions))


async def _start(root: Path) -> int:
    """Start a server for the pictures in the folder and return its port."""
    config = Config(
        ALLOW_UNSAFE_URL=True,
        LOADER="thumbor.loaders.file_loader",
        FILE_LOADER_ROOT_PATH=str(root),
        STORAGE="thumbor.storages.no_storage",
        QUALITY=QUALITY["jpeg"],
        WEBP_QUALITY=QUALITY["webp"],
    )
    parameters = ServerParameters(
        port=0,
        ip="127.0.0.1",
        config_path="",
        keyfile="",
        log_level="error",
        app_class="thumbor.app.ThumborServiceApp",
    )
    parameters.security_key = "of no use to anybody"
    application = get_application(Context(parameters, config, get_importer(config)))
    socket, port = bind_unused_port(address="127.0.0.1")
    HTTPServer(application).add_socket(socket)
    return int(port)


async def _request_all(source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    client = AsyncHTTPClient()
    files = {}
    for rendition in renditions:
        address = f"http://127.0.0.1:{_servers[source.parent]}/{_path(source, rendition)}"
        response = await client.fetch(address, request_timeout=120)
        files[rendition.name] = folder / rendition.name
        files[rendition.name].write_bytes(response.body)
    return files


def _path(source: Path, rendition: Rendition) -> str:
    filters = f"format({rendition.format})"
    if rendition.format == "jpeg" and source.name.startswith("rgba"):
        filters = f"background_color(white):{filters}"
    return f"unsafe/{rendition.width}x{rendition.height or 0}/filters:{filters}/{source.name}"
