"""Files of the site: other users of the machine may read none, and the group of a proxy what it serves."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from myproject import checks
from processing.storages import access
from tests.processing.processes import ROOT

# Another user's group, which root may give files to. Others may only name one of their own.
GROUP = 54321 if os.geteuid() == 0 else os.getegid()

# What a site writes: its database, a mail, an original, a rendition, a static file, and its secret key.
WRITE = """
import django
django.setup()
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import send_mail
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE one (number integer)")
send_mail("subject", "body", None, ["ada@example.com"])
for name in ("originals/ab/abcdef", "renditions/ab/abcdef/thumb.webp"):
    default_storage.save(name, ContentFile(b"pixels"))
staticfiles_storage.save("site.css", ContentFile(b"body {" + b" " * 1000 + b"}"))
list(staticfiles_storage.compress_files({"site.css"}))
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(folder: Path, **environment: str) -> dict[str, int]:
    """Let a process write what a site writes, and return the mode of each file and folder."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITE],
        cwd=ROOT,
        env={
            **{
                name: value
                for name, value in os.environ.items()
                if name not in {"DATABASE_URL", "STATIC_ROOT"}
            },
            "DJANGO_SETTINGS_MODULE": "myproject.settings",
            "SECRET_KEY": "",
            "VAR_DIR": str(folder / "var"),
            "MEDIA_ROOT": str(folder / "media"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        umask=0o022,
    )
    assert process.returncode == 0, process.stderr
    return {
        str(path.relative_to(folder)): mode_of(path)
        for place in ("var", "media")
        for path in (folder / place, *(folder / place).rglob("*"))
    }


@pytest.mark.slow
def test_other_users_may_read_nothing(tmp_path: Path) -> None:
    modes = write(tmp_path)
    assert {"var/db.sqlite3", "var/secret_key", "var/mail", "media/originals/ab/abcdef"} <= set(modes)
    assert any(path.startswith("var/mail/") for path in modes)
    # Another user may have collected the static files, which are no secrets.
    static = {path for path in modes if path.startswith("var/static")}
    assert {path: mode for path, mode in modes.items() if path not in static and mode & 0o077} == {}
    assert {"var/static/site.css", "var/static/site.css.gz"} <= static
    assert all(modes[path] & 0o004 for path in static)


@pytest.mark.slow
def test_what_an_earlier_version_has_left_open_is_closed(tmp_path: Path) -> None:
    left = ("var/mail/1.log", "var/db.sqlite3", "media/originals/ab/abcdef", "media/renditions/ab/thumb.webp")
    for name in left:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    modes = write(tmp_path)
    # A file cannot be reached below a closed folder. `VAR_DIR` itself may hold files of other programs.
    closed = {"var/mail", "var/db.sqlite3", "media/originals", "media/renditions"}
    assert {path: modes[path] & 0o007 for path in closed} == dict.fromkeys(closed, 0)


@pytest.mark.slow
def test_group_of_a_proxy_may_read_what_it_serves(tmp_path: Path) -> None:
    modes = write(tmp_path, PROXY_GROUP=str(GROUP))
    assert (modes["var"], modes["media"]) == (0o710, 0o710)
    rendition = "media/renditions/ab/abcdef/thumb.webp"
    assert modes[rendition] == 0o640
    assert (tmp_path / rendition).stat().st_gid == GROUP
    assert modes["media/originals/ab/abcdef"] == modes["var/db.sqlite3"] == 0o600
    assert modes["media/originals"] == modes["var/mail"] == 0o700
    readable = {path for path in modes if _can_read(tmp_path, path)}
    assert readable == {"var/static/site.css", "var/static/site.css.gz", rendition}


def _can_read(folder: Path, name: str) -> bool:
    """Return whether a user of the group may read a file."""
    path = folder / name
    passed = path.relative_to(folder).parents
    return (
        path.is_file()
        and _may(path, 0o4)
        and all(_may(folder / parent, 0o1) for parent in passed if parent != Path("."))
    )


def _may(path: Path, right: int) -> bool:
    status = path.stat()
    return bool(status.st_mode >> (3 if status.st_gid == GROUP else 0) & right)


class TestCheck:
    @pytest.fixture(autouse=True)
    def _user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.setattr(os, "getegid", lambda: 1000)
        monkeypatch.setattr(os, "getgroups", lambda: [2000])

    @pytest.mark.parametrize(
        ("group", "problem"),
        [
            ("", ""), ("1000", ""), ("2000", ""), ("3000", "does not belong to"),
            ("no such group", "is not the name of a group"),
        ],
    )  # fmt: skip
    def test_group_must_exist_and_be_the_users(self, settings: Any, group: str, problem: str) -> None:
        settings.PROXY_GROUP = group
        messages = [str(message.msg) for message in checks.check_proxy_group()]
        assert problem in messages[0] if problem else messages == []

    def test_root_may_name_any_group(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        settings.PROXY_GROUP = "3000"
        assert checks.check_proxy_group() == []


class TestClose:
    def test_path_loses_only_the_rights_of_others(self, tmp_path: Path) -> None:
        for before, after in ((0o755, 0o750), (0o777, 0o770), (0o700, 0o700), (0o2775, 0o2770)):
            tmp_path.chmod(before)
            access.close(tmp_path)
            assert mode_of(tmp_path) == after

    def test_path_of_another_user_or_of_nothing_is_no_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        access.close(tmp_path / "nothing")
        tmp_path.chmod(0o755)
        monkeypatch.setattr(Path, "chmod", refuse)
        access.close(tmp_path)
        assert mode_of(tmp_path) == 0o755


class TestMake:
    def test_new_folder_is_private(self, tmp_path: Path) -> None:
        access.make(tmp_path / "new", group=None)
        assert mode_of(tmp_path / "new") == 0o700

    def test_existing_folder_keeps_its_rights(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It may be `/srv`, or even `/tmp`."""
        monkeypatch.setattr(os, "chown", refuse)
        for mode, group in ((0o755, None), (0o1777, GROUP), (0o755, GROUP)):
            tmp_path.chmod(mode)
            access.make(tmp_path, group=group)
            assert mode_of(tmp_path) == mode

    def test_group_may_enter_a_closed_folder(self, tmp_path: Path) -> None:
        for mode in (0o700, 0o750, 0o710):
            tmp_path.chmod(mode)
            access.make(tmp_path, group=GROUP)
            assert (mode_of(tmp_path), tmp_path.stat().st_gid) == (0o710, GROUP)

    def test_folder_stays_closed_if_the_group_cannot_be_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "chown", refuse)
        access.make(tmp_path / "new", group=GROUP)
        assert mode_of(tmp_path / "new") == 0o700


def refuse(*_: object) -> None:
    raise PermissionError


def test_group_is_found_by_its_name_and_by_its_number() -> None:
    assert access.find_group("54321") == 54321
    assert access.find_group("root") == 0
    assert access.find_group("no such group") is None
    assert access.find_group("") is None
