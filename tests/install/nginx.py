"""An nginx for the tests, in front of web servers below `/photos/`."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.ports import HOST, any_free_port, is_free
from tests.system import wait_until

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

_CONFIGURATION = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 501m;
    proxy_max_temp_file_size 0;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-For $remote_addr;
    {servers}
}}
"""
_SERVER = """
    server {{
        listen {host}:{port};
        location /photos/ {{ proxy_pass http://{host}:{upstream}{path}; }}
    }}
"""


def configuration(folder: Path, servers: str) -> str:
    """Return the configuration of an nginx with all its files in this folder."""
    # Only root may change the user.
    user = "user root root;" if os.geteuid() == 0 else ""
    return _CONFIGURATION.format(folder=folder, user=user, servers=servers)


def command(folder: Path, path: Path) -> tuple[str, ...]:
    """Return the command of an nginx with this configuration file."""
    assert PROGRAM
    return (PROGRAM, "-p", str(folder), "-c", str(path), "-e", "stderr")


class Nginx:
    """A proxy with a server for each upstream port. `doors` are the ports on which they listen, by name."""

    def __init__(self, folder: Path, upstreams: Mapping[str, tuple[int, bool]]) -> None:
        """Take for each name the upstream's port, and whether the proxy strips `/photos`."""
        self._folder = folder
        self.doors = {name: any_free_port() for name in upstreams}
        servers = (
            _SERVER.format(host=HOST, port=self.doors[name], upstream=port, path="/" if is_stripped else "")
            for name, (port, is_stripped) in upstreams.items()
        )
        self._path = folder / "nginx.conf"
        self._path.write_text(configuration(folder, "".join(servers)))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run nginx until the end of the block."""
        log = self._folder / "nginx.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                command(self._folder, self._path),
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                wait_until(lambda: process.poll() is not None or not any(map(is_free, self.doors.values())))
                yield
            finally:
                sys.stdout.write(log.read_text())  # pytest shows this if the test fails
                process.terminate()
