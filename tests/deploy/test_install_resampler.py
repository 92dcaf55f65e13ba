"""deploy/install_resampler.sh: the resampler is installed where a wheel fits, and never compiled."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processing.processes import ROOT

# Stands for the environment's Python: the question is answered by another libc, all else is written down.
PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then
    exec {python} -c "import platform, sysconfig
platform.libc_ver = lambda: ('{libc}', '2.36')
sysconfig.get_config_var = lambda name: {threaded}
$2"
fi
echo "$@" >>"{log}"
"""


def installed(folder: Path, *, libc: str = "glibc", threaded: int = 0) -> str:
    """Run the script in a folder whose Python has that libc, and return what it installs."""
    log, python = folder / "log", folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.format(python=sys.executable, libc=libc, threaded=threaded, log=log))
    python.chmod(0o755)
    (folder / "deploy").symlink_to(ROOT / "deploy")
    log.touch()
    subprocess.run(["deploy/install_resampler.sh"], cwd=folder, check=True, capture_output=True)
    return log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has more than one libc")
def test_wheel_is_installed_where_one_fits(tmp_path: Path) -> None:
    assert "--only-binary=:all: -r requirements/resampler.txt" in installed(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has more than one libc")
def test_nothing_is_installed_or_compiled_on_musl(tmp_path: Path) -> None:
    assert installed(tmp_path, libc="") == ""


def test_nothing_is_installed_or_compiled_for_a_free_threaded_python(tmp_path: Path) -> None:
    assert installed(tmp_path, threaded=1) == ""


def test_lock_names_the_systems_with_a_wheel() -> None:
    (requirement,) = [
        line
        for line in (ROOT / "requirements" / "resampler.txt").read_text().splitlines()
        if not line.startswith(" ")
    ]
    for system in ("linux", "darwin", "win32"):
        assert f"sys_platform == '{system}'" in requirement
    assert "aarch64" not in requirement
