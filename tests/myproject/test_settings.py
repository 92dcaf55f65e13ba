"""The settings of a production site, as in `make check`, and the responses that they cause."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processing.processes import ROOT

# They start a process.
pytestmark = pytest.mark.slow

ASK = """
import json
import django
from django.conf import settings
# Nothing is collected here, so files are named as they are.
plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
django.setup()
from django.test import Client
client = Client(headers={"host": "photos.example"})
page = client.get("/accounts/login/", secure=True)
print(json.dumps({
    "status": page.status_code,
    "headers": dict(page.items()),
    "cookie": page.cookies["csrftoken"].OutputString(),
    "plain": [client.get("/").status_code, client.get("/")["Location"]],
    "other_host": client.get("/", secure=True, headers={"host": "evil.example"}).status_code,
    "proxied": client.get("/accounts/login/", headers={"x-forwarded-proto": "https"}).status_code,
    "session": [getattr(settings, f"SESSION_COOKIE_{name}") for name in ("SECURE", "HTTPONLY", "SAMESITE")],
}))
"""


@pytest.fixture(scope="module")
def production() -> dict[str, str]:
    """Return the variables with which the Makefile checks the settings of a production site."""
    makefile = (ROOT / "Makefile").read_text()
    (text,) = re.findall(r"^PRODUCTION := (.*?[^\\])\n", makefile, re.DOTALL | re.MULTILINE)
    variables = dict(re.findall(r"(\w+)=([^\s$]+)", text))
    assert {"DEBUG", "HTTPS", "ALLOWED_HOSTS", "SITE_URL", "EMAIL_URL"} <= set(variables)
    return variables


@pytest.fixture(scope="module")
def answers(production: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the responses of a production site. Its database is an empty one in memory, which none uses."""
    folder: Path = tmp_path_factory.mktemp("production")
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        cwd=ROOT,
        env={
            **os.environ,
            **production,
            "DJANGO_SETTINGS_MODULE": "myproject.settings",
            "DATABASE_URL": "sqlite://:memory:",
            "VAR_DIR": str(folder),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def test_responses_require_tls(answers: dict[str, Any]) -> None:
    assert answers["status"] == 200
    hsts = "max-age=31536000; includeSubDomains; preload"
    assert answers["headers"]["Strict-Transport-Security"] == hsts
    assert answers["plain"] == [301, "https://photos.example/"]
    assert answers["proxied"] == 200


def test_responses_forbid_use_by_other_sites(answers: dict[str, Any]) -> None:
    expected = {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    assert expected.items() <= answers["headers"].items()
    assert "script-src 'self'" in answers["headers"]["Content-Security-Policy"]


def test_cookies_are_secure_and_same_site(answers: dict[str, Any]) -> None:
    assert {"Secure", "SameSite=Lax"} <= set(answers["cookie"].split("; "))
    assert answers["session"] == [True, True, "Lax"]


def test_unknown_host_is_refused(answers: dict[str, Any]) -> None:
    assert answers["other_host"] == 400
