"""A user without an entry in `/etc/passwd`, as in many containers, and a folder with a space in its name."""

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.ports import any_free_port
from tests.conftest import IN_CI, MakeImage
from tests.faults.person import Person
from tests.install.clone import copy_tracked
from tests.processing.processes import ROOT
from tests.system import wait_until

pytestmark = pytest.mark.install

USER = 54321
# In its own user namespace, a process has this user id, and still owns its files (user_namespaces(7)).
AS_USER = ("unshare", "--user", f"--map-user={USER}", f"--map-group={USER}")
# What a clone does not contain, and `make` builds.
BUILT = (".venv", "uploads/static/uploads/vendor")


@pytest.fixture(autouse=True)
def _user() -> None:
    with pytest.raises(KeyError):
        pwd.getpwuid(USER)
    answer = subprocess.run([*AS_USER, "true"], capture_output=True, text=True, check=False)
    if answer.returncode:
        problem = f"This machine allows no user namespaces: {answer.stderr}"
        pytest.fail(problem) if IN_CI else pytest.skip(problem)


@pytest.fixture
def clone() -> Iterator[Path]:
    """Return a clone with everything that `make` builds, in a folder with a space in its name."""
    # The path of a socket may have 107 bytes, and pytest's own folder is long.
    with tempfile.TemporaryDirectory(prefix="my photos ") as folder:
        clone = Path(folder) / "darkroom"
        _fill(clone)
        yield clone


def _fill(clone: Path) -> None:
    copy_tracked(clone)
    for name in BUILT:
        (clone / name).symlink_to(ROOT / name)
    for path in ROOT.glob("uploads/locale/*/LC_MESSAGES/*.mo"):
        shutil.copy(path, clone / path.relative_to(ROOT))


def test_site_runs_for_an_unknown_user_in_a_folder_with_a_space(
    clone: Path, tmp_path: Path, make_image: MakeImage
) -> None:
    port = any_free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "TMPDIR": str(tmp_path), "DEMO": "1"}
    python = (*AS_USER, ".venv/bin/python")
    output_path = tmp_path / "output.txt"
    with (
        output_path.open("wb") as output,
        subprocess.Popen(
            [*python, "-m", "deploy.local"],
            cwd=clone,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as system,
    ):
        try:
            wait_until(lambda: "Stop  " in output_path.read_text() or system.poll() is not None, seconds=600)
            command = [*python, "manage.py", "drf_create_token", "demo"]
            key = subprocess.check_output(command, cwd=clone, env=environment, text=True).split()[2]
            person = Person(name="demo", token=key, session="", port=port)
            upload = person.send(make_image()).json()["id"]
            wait_until(lambda: person.upload(upload)["status"] == "ready")
            assert (clone / "var" / "redis.sock").is_socket()
        finally:
            system.send_signal(signal.SIGTERM)
            system.wait(timeout=120)
            sys.stdout.write(output_path.read_text())  # pytest shows this if the test fails
    written = {path for place in ("var", "media") for path in (clone / place).rglob("*")}
    static = {path for path in written if (clone / "var" / "static") in (path, *path.parents)}
    kept = {clone / "media" / name for name in ("originals", "renditions")}
    tracked = kept | {path / ".gitkeep" for path in kept}
    open_to_others = {
        path for path in written - static - tracked if stat.S_IMODE(path.stat().st_mode) & 0o077
    }
    assert open_to_others == set()
    assert not re.search(r"Traceback|getpwuid|KeyError", output_path.read_text())
