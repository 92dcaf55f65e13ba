"""Environment variables: a blank one counts as unset, and a wrong one stops the start with a sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from myproject.settings.variables import Variables
from tests.processing.processes import ROOT
from tests.test_documentation import environment_variables

READ = sorted((ROOT / "myproject" / "settings").glob("*.py"))
SHOW = """
import json
from myproject import settings
names = [name for name in vars(settings) if name.isupper() and name != "LOGGING"]
print(json.dumps({name: repr(getattr(settings, name)) for name in names}))
"""


@pytest.fixture
def variables(tmp_path: Path) -> Variables:
    return Variables(tmp_path / "missing")


def run(code: str, *, file: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in which `.env` is this file, and the variables of the tests are unset."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        # Sets are printed in one order.
        env={**inherited, **environment, "ENV_FILE": str(file), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestBlank:
    @pytest.mark.parametrize("blank", ["", " ", "\t"])
    def test_blank_variable_counts_as_unset(
        self, blank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("VAR_DIR", "DATABASE_POOL_SIZE", "HTTPS", "ALLOWED_HOSTS", "DATABASE_URL", "BODY_RATE"):
            monkeypatch.setenv(name, blank)
        variables = Variables(tmp_path / "missing")
        assert "VAR_DIR" not in os.environ
        assert variables.str("VAR_DIR", default="var") == "var"
        assert variables.int("DATABASE_POOL_SIZE", default=20) == 20
        assert variables.float("BODY_RATE", default=0.5) == 0.5
        assert variables.bool("HTTPS", default=True) is True
        assert variables.list("ALLOWED_HOSTS", default=["localhost"]) == ["localhost"]
        assert variables.db_url("DATABASE_URL", default="sqlite:////here")["NAME"] == "/here"
        variables.refuse_wrong()

    def test_blank_variable_does_not_hide_that_of_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SITE_URL", "")
        monkeypatch.delenv("FLOWER_URL", raising=False)
        (tmp_path / "file").write_text('SITE_URL=https://photos.example\nFLOWER_URL=""\n')
        variables = Variables(tmp_path / "file")
        assert variables.str("SITE_URL") == "https://photos.example"
        assert "FLOWER_URL" not in os.environ

    @pytest.mark.slow
    def test_settings_are_the_same_with_every_variable_blank_as_with_none(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text(f"VAR_DIR={tmp_path / 'var'}\n")
        amazon = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
        darkroom = ("MAX_PIXELS", "KEEP_CREDIT", "EXTRA_FORMATS", "UPLOADS_PER_PERSON", "METRICS_TOKEN")
        names = {*environment_variables(*READ), *amazon, *darkroom} - {"ENV_FILE"}
        shown = []
        for blank in ({}, dict.fromkeys(names, "")):
            process = run(SHOW, file=file, **blank)
            assert process.returncode == 0, process.stderr
            shown.append(json.loads(process.stdout))
        assert shown[0] == shown[1]
        assert {path.name for path in tmp_path.iterdir()} == {"file", "var"}


class TestWrong:
    @pytest.mark.slow
    def test_every_wrong_variable_is_named_and_no_password_is_shown(self, tmp_path: Path) -> None:
        process = run(
            SHOW,
            file=tmp_path / "missing",
            VAR_DIR=str(tmp_path / "var"),
            DATABASE_URL="mysql://ada:secret@host/darkroom",
            DATABASE_POOL_SIZE="twenty",
            EMAIL_URL="smtp+tls://",
            HTTPS="ture",
            KEEP_CREDIT="maybe",
            LOG_LEVEL="loud",
            MAX_UPLOAD_BYTES="5 MB",
            PORT="http",
        )
        assert process.returncode == 1
        assert "Traceback" not in process.stderr
        assert "secret" not in process.stderr
        assert process.stderr.splitlines()[0] == "Darkroom does not start:"
        lines = set(process.stderr.splitlines()[1:])
        assert lines == {
            "DATABASE_URL must be such as postgresql://user:password@host:5432/name or sqlite:////folder/file.",
            "DATABASE_POOL_SIZE is 'twenty'; it must be a whole number.",
            "EMAIL_URL must be such as smtp+tls://user:password@host:587, smtp+ssl://… or smtp://….",
            "HTTPS is 'ture'; it must be 1 (yes, true, on) or 0 (no, false, off).",
            "KEEP_CREDIT is 'maybe'; it must be 1 (yes, true, on) or 0 (no, false, off).",
            "LOG_LEVEL is 'loud'; it must be DEBUG, INFO, WARNING, ERROR or CRITICAL.",
            "MAX_UPLOAD_BYTES is '5 MB'; it must be a whole number.",
            "PORT is 'http'; it must be a whole number.",
        }

    @pytest.mark.parametrize(
        "url",
        [
            "host:5432/name",
            "postgresql://",
            "postgresql://host",
            "postgresql://host:port/name",
            "redis://host/0",
        ],
    )
    def test_database_url_that_names_no_database_is_wrong(
        self, url: str, variables: Variables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", url)
        assert variables.db_url("DATABASE_URL", default="sqlite:////here")["NAME"] == "/here"
        with pytest.raises(SystemExit, match="DATABASE_URL must be such as"):
            variables.refuse_wrong()

    def test_database_urls_are_read(self, variables: Variables, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://ada:a%2Fb@host:5433/darkroom?sslmode=require")
        found = variables.db_url("DATABASE_URL", default="sqlite:////here")
        assert {"NAME": "darkroom", "PASSWORD": "a/b", "PORT": 5433}.items() <= found.items()
        assert found["OPTIONS"] == {"sslmode": "require"}

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1", True),
            ("Yes", True),
            ("on", True),
            ("TRUE", True),
            ("0", False),
            ("No", False),
            ("off", False),
        ],
    )
    def test_yes_and_no_have_several_spellings(
        self, text: str, value: bool, variables: Variables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS", text)
        assert variables.bool("HTTPS") is value
        variables.refuse_wrong()

    def test_items_are_separated_by_commas(
        self, variables: Variables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALLOWED_HOSTS", "photos.example, www.photos.example,")
        hosts: Any = variables.list("ALLOWED_HOSTS", default=[])
        assert hosts == ["photos.example", "www.photos.example"]
