"""The nginx of `deploy/nginx` for tests and benchmarks: its files, with the ports and folders of this run."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.ports import HOST, any_free_port, is_free
from tests.system import wait_until

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PURGE_MODULE = Path("/usr/lib/nginx/modules/ngx_http_cache_purge_module.so")
FILES = Path(__file__).resolve().parent.parent / "deploy" / "nginx"
SITE, PURGE, MEDIA = "darkroom.conf", "darkroom-purge.conf", "darkroom-media.conf"

_MAIN = """
{module}
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    types {{ image/jpeg jpg; }}
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    tcp_nopush on;
    include conf.d/*.conf;
}}
"""


class ShippedNginx:
    """An nginx with the shipped files, in one folder.

    `port` is that of the site, `media_port` that of `MEDIA_HOST`, and `purge_url` is the value of
    `NGINX_PURGE_URL`, or "" without the module. `extra` is more configuration of the block `http`.
    """

    def __init__(
        self, folder: Path, *, web: int, media: Path, purges: bool = True, tls: bool = False, extra: str = ""
    ) -> None:
        self._folder = folder
        self.port, self.media_port, purge_port, inner = (any_free_port() for _ in range(4))
        is_purging = purges and PURGE_MODULE.exists()
        self.purge_url = f"http://{HOST}:{purge_port}" if is_purging else ""
        replaced = {
            "listen [::]:80;": "",
            "listen 80;": f"listen {HOST}:{any_free_port()};",
            "listen [::]:443 ssl http2;": "",
            "listen 443 ssl http2;": f"listen {HOST}:<port>{' ssl http2' if tls else ''};",
            "127.0.0.1:8000": f"{HOST}:{web}",
            "127.0.0.1:8081": f"{HOST}:{inner}",
            "127.0.0.1:8082": f"{HOST}:{purge_port}",
            "/srv/darkroom/media": str(media),
            "/var/cache/nginx/darkroom": f"{folder}/cache",
            "/etc/ssl/darkroom": str(folder),
        }
        (folder / "snippets").mkdir(parents=True)
        (folder / "conf.d").mkdir()
        names = [SITE, MEDIA, *([PURGE] if is_purging else [])]
        for path in [*(FILES / name for name in names), *(FILES / "snippets").iterdir()]:
            text = path.read_text()
            for old, new in replaced.items():
                text = text.replace(old, new)
            text = text.replace("<port>", str(self.media_port if path.name == MEDIA else self.port))
            if not tls:
                text = "".join(
                    line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("ssl_")
                )
            place = folder / ("snippets" if path.parent.name == "snippets" else "conf.d") / path.name
            place.write_text(text)
        (folder / "conf.d" / "extra.conf").write_text(extra)
        (folder / "nginx.conf").write_text(
            _MAIN.format(
                folder=folder,
                # Only root may change the user.
                user="user root root;" if os.geteuid() == 0 else "",
                module=f"load_module {PURGE_MODULE};" if is_purging else "",
            )
        )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def check(self) -> str:
        """Return what `nginx -t` says."""
        done = subprocess.run([*self._command, "-t"], capture_output=True, text=True, check=False, timeout=60)
        return done.stderr

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run nginx until the end of the block."""
        log = self._folder / "nginx.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(self._command, stdout=output, stderr=subprocess.STDOUT) as process,
        ):
            try:
                wait_until(lambda: process.poll() is not None or not is_free(self.port))
                assert process.poll() is None, log.read_text()
                yield
            finally:
                sys.stdout.write(log.read_text())  # pytest shows this if the test fails
                process.terminate()

    @property
    def _command(self) -> list[str]:
        assert PROGRAM
        return [PROGRAM, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), "-e", "stderr"]


def require(*, purges: bool = False) -> None:
    """Skip the test without nginx, or without its module that purges; in CI, fail."""
    missing = "nginx" if PROGRAM is None else ""
    if not missing and purges and not PURGE_MODULE.exists():
        missing = "module of nginx that purges"
    if missing:
        words = f"There is no {missing}; on Debian: apt-get install nginx-light libnginx-mod-http-cache-purge"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(words)
