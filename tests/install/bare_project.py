"""A project made by `startproject`, in an environment of its own, with Darkroom from the built wheel."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from typing import cast

from deploy.embedded_redis import server_path
from deploy.ports import HOST, any_free_port
from tests.install.clone import inherited
from tests.processing.processes import ROOT
from tests.system import wait_until

NAME, PASSWORD = "ada", "correct horse battery"
# The settings that the documentation tells a project to write, and a small limit for the tests.
SETTINGS = """
INSTALLED_APPS += ["processing", "uploads"]
MIDDLEWARE += ["uploads.receiving.admission.RefusalMiddleware"]
LOGIN_URL = "admin:login"
DATABASES["default"]["OPTIONS"] = {{"transaction_mode": "IMMEDIATE", "timeout": 20}}
CELERY_BROKER_URL = "{redis}"
DARKROOM = {{"REDIS_URL": "{redis}", "MAX_UPLOAD_BYTES": 1024**2}}
"""
API_SETTINGS = """
INSTALLED_APPS += ["rest_framework", "drf_spectacular", "drf_spectacular_sidecar"]
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
"""
URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("photos/", include("uploads.urls", namespace="photos")),
]
"""
CELERY = """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
INIT = """
from shop.celery import app as celery_app

__all__ = ["celery_app"]
"""
GUARDED = """
from shop.asgi import application as project
from uploads.receiving import admission, body_guard, turns

application = body_guard.BodyGuard(project, admission=admission.refusal_of, turns=turns.Turns(40))
"""
SERVERS = {
    "wsgi": ("gunicorn", "shop.wsgi", "--no-control-socket", "--bind", "{host}:{port}"),
    "asgi": ("uvicorn", "shop.asgi:application", "--host", "{host}", "--port", "{port}"),
    "guarded": ("uvicorn", "shop.guarded:application", "--host", "{host}", "--port", "{port}"),
}


def interpreter(oldest: tuple[int, int], newest: tuple[int, int]) -> str | None:
    """Return the newest Python of this machine from one version to another, or None if there is none.

    pyenv's own programs on the PATH may be of versions that are not active.
    """
    for minor in range(newest[1], oldest[1] - 1, -1):
        name = f"python{oldest[0]}.{minor}"
        installed = sorted(Path.home().glob(f".pyenv/versions/*/bin/{name}"), reverse=True)
        for path in (shutil.which(name), *map(str, installed)):
            if path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
                return path
    return None


class Project:
    """A project in a folder. Its commands inherit only what a developer's shell has."""

    def __init__(self, folder: Path, *, python: str, wheel: Path, django: str, extras: str = "") -> None:
        self.path = folder
        self._environment = inherited(os.environ) | {"TMPDIR": str(folder), "UV_PYTHON_DOWNLOADS": "never"}
        uv = (sys.executable, "-m", "uv")
        self._call(*uv, "venv", "--quiet", "--python", python, ".venv")
        packages = (f"django-darkroom{extras} @ {wheel.as_uri()}", f"django{django}", "gunicorn", "uvicorn")
        self._call(*uv, "pip", "install", "--quiet", "--python", ".venv", *packages)
        self._call(".venv/bin/django-admin", "startproject", "shop", ".")

    def write(self, *, redis: str, api: bool) -> None:
        """Write into the project what the documentation says."""
        with (self.path / "shop" / "settings.py").open("a") as settings:
            settings.write(SETTINGS.format(redis=redis) + (API_SETTINGS if api else ""))
        (self.path / "shop" / "urls.py").write_text(URLS)
        (self.path / "shop" / "celery.py").write_text(CELERY)
        (self.path / "shop" / "__init__.py").write_text(INIT)
        (self.path / "shop" / "guarded.py").write_text(GUARDED)

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a management command, and return its output and its errors."""
        return self._call(".venv/bin/python", "manage.py", *arguments, **environment)

    @contextlib.contextmanager
    def running(self, *command: str, started: str) -> Iterator[Path]:
        """Run a program of the environment from the time at which it prints `started`; give its output."""
        output_path = self.path / f"{command[0]}.txt"
        with output_path.open("w") as output:
            process = subprocess.Popen(
                [f".venv/bin/{command[0]}", *command[1:]],
                cwd=self.path,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: started in output_path.read_text() or process.poll() is not None, seconds=60)
            assert process.poll() is None, output_path.read_text()
            yield output_path
        finally:
            process.terminate()
            process.wait(timeout=60)
            sys.stdout.write(output_path.read_text())  # pytest shows this if the test fails

    @contextlib.contextmanager
    def served(self, server: str) -> Iterator["Browser"]:
        """Serve the project, and give a browser that is signed in."""
        port = any_free_port()
        command = [word.format(host=HOST, port=port) for word in SERVERS[server]]
        with self.running(*command, started="istening at" if server == "wsgi" else "running on"):
            browser = Browser(f"http://{HOST}:{port}")
            browser.sign_in()
            yield browser

    def _call(self, *command: str, **environment: str) -> str:
        answer = subprocess.run(
            command,
            cwd=self.path,
            env=self._environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout + answer.stderr


class Browser:
    """A person's browser without scripts."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._cookies = CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(self._cookies)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies, _Patient())

    def get(self, path: str) -> HTTPResponse:
        return cast("HTTPResponse", self._opener.open(self._site + path, timeout=60))

    def sign_in(self) -> None:
        self.get("/admin/login/")
        fields = {"username": NAME, "password": PASSWORD, "csrfmiddlewaretoken": self._csrf}
        address = f"{self._site}/admin/login/?next=/photos/"
        answer = self._opener.open(address, urllib.parse.urlencode(fields).encode())
        assert answer.status == 200
        assert "sessionid" in {cookie.name for cookie in self._cookies}

    def send(self, path: str, data: bytes) -> HTTPResponse:
        """Send a file as the form of the page does."""
        limit, disposition = "--limit", "Content-Disposition: form-data"
        token = f'{disposition}; name="csrfmiddlewaretoken"\r\n\r\n{self._csrf}'
        file = f'{disposition}; name="file"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        head = f"--{limit}\r\n{token}\r\n--{limit}\r\n{file}"
        body = head.encode() + data + f"\r\n--{limit}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={limit}",
            "Referer": self._site,
            "X-CSRFToken": self._csrf,
        }
        request = urllib.request.Request(self._site + path, body, headers)
        return cast("HTTPResponse", self._opener.open(request, timeout=60))

    def upload(self, data: bytes) -> str:
        """Send a file to the gallery, and return the id of its upload."""
        page = self.send("/photos/", data).read().decode()
        ids: list[str] = re.findall(r"/photos/uploads/([0-9a-f-]{36})/", page)
        return next(id for id in ids if id.strip("0-"))

    @property
    def _csrf(self) -> str:
        return next(cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken")


class _Patient(urllib.request.HTTPErrorProcessor):
    """Return answers of any status, and follow redirects."""

    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> HTTPResponse:
        if 300 <= response.status < 400:
            return cast("HTTPResponse", super().http_response(request, response))
        return response


@contextlib.contextmanager
def own_redis() -> Iterator[str]:
    """Run a Redis, and give its address."""
    port = any_free_port()
    command = [server_path(), "--port", str(port), "--bind", HOST, "--save", "", "--loglevel", "notice"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("Ready to accept" in line for line in process.stdout)
            yield f"redis://{HOST}:{port}/0"
        finally:
            process.terminate()


def built_wheel(folder: Path) -> Path:
    """Build the sdist, and the wheel from it, and return the wheel."""
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
