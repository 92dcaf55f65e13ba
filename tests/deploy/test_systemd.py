"""deploy/systemd: systemd accepts the units, and they run the commands of `make run`, confined."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from deploy import programs
from deploy.processes import Program
from processing.conf import darkroom
from tests.conftest import IN_CI

UNITS = Path(settings.BASE_DIR) / "deploy" / "systemd"
DEPLOYMENT = Path(settings.BASE_DIR) / "docs" / "deployment.md"
COMMON = UNITS / "darkroom-.service.d" / "common.conf"
PYTHON = "opt/darkroom/release/.venv/bin/python"
SERVICES = {path.stem.removeprefix("darkroom-").removesuffix("@"): path for path in UNITS.glob("*.service")}
PROGRAMS: dict[str, Program] = {
    "web": programs.web(port=8000, log_level="INFO"),
    "beat": programs.beat(log_level="INFO"),
    "flower": programs.flower(port=5555, password=""),
    **{queue: programs.worker(queue=queue, log_level="INFO") for queue in programs.WORKER_OPTIONS},
}
# Options that a unit, a supervisor or a terminal has for itself: where the web server listens and how long it
# stops, and checks that `make run` has run before.
OWN_OPTIONS = re.compile(
    r" --(fd|host|port|timeout-graceful-shutdown|log-level) \S+| --quiet| --skip-checks", re.IGNORECASE
)


def values(path: Path, name: str) -> list[str]:
    """Return the values of a setting in a unit."""
    return re.findall(rf"^{name}=(.*)$", path.read_text(), re.MULTILINE)


def essence(command: str) -> str:
    """Return a command without its interpreter and its own options."""
    return OWN_OPTIONS.sub("", command.partition(" ")[2])


def niceness(environment: str) -> str:
    found = re.search(r"RENDERER_NICENESS=(\d+)", environment)
    return found[1] if found else "0"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a machine on which the units are installed."""
    if shutil.which("systemd-analyze") is None:
        problem = "There is no systemd-analyze; on Debian and Ubuntu: apt-get install systemd"
        pytest.fail(problem) if IN_CI else pytest.skip(problem)
    root = tmp_path_factory.mktemp("machine")
    installed = root / "etc" / "systemd" / "system"
    shutil.copytree(UNITS, installed)
    shutil.copytree("/lib/systemd/system", root / "usr" / "lib" / "systemd" / "system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    python = root / PYTHON
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    return root


def analyze(root: Path, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    units = ["darkroom-web@1.service", *(f"darkroom-{name}.service" for name in SERVICES if name != "web")]
    return subprocess.run(
        ["systemd-analyze", verb, f"--root={root}", *options, *units],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_systemd_accepts_the_units(root: Path) -> None:
    verified = analyze(root, "verify", "--man=no", "darkroom.target", "darkroom-web.socket")
    assert (verified.returncode, verified.stdout) == (0, "")


def test_services_are_confined(root: Path) -> None:
    """The threshold is ten times systemd's exposure, which goes from 0 to 10."""
    answer = analyze(root, "security", "--offline=yes", "--threshold=20", "--no-pager")
    assert answer.returncode == 0, answer.stdout


def test_every_program_has_a_unit_that_the_target_starts() -> None:
    assert set(SERVICES) == set(PROGRAMS)
    wanted = " ".join(values(UNITS / "darkroom.target", "Wants")).split()
    assert {
        name.removeprefix("darkroom-").partition("@")[0].removesuffix(".service") for name in wanted
    } == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_unit_runs_the_command_of_the_program(name: str) -> None:
    (command,) = values(SERVICES[name], "ExecStart")
    program = PROGRAMS[name]
    assert command.startswith(f"/{PYTHON} ")
    assert essence(command.replace("%%", "%")) == essence(shlex.join(program.command))
    environment = " ".join(values(SERVICES[name], "Environment"))
    assert niceness(environment) == program.environment.get("RENDERER_NICENESS", "0")


def test_documented_commands_are_those_of_the_programs() -> None:
    rows = re.findall(r"^\| (\w+) \| `(.*?)(\.venv/bin/python .*)` \|$", DEPLOYMENT.read_text(), re.MULTILINE)
    documented = {name.lower(): (essence(command), niceness(variables)) for name, variables, command in rows}
    assert documented == {
        name: (essence(shlex.join(program.command)), program.environment.get("RENDERER_NICENESS", "0"))
        for name, program in PROGRAMS.items()
    }


def test_services_have_time_to_stop() -> None:
    (seconds,) = values(COMMON, "TimeoutStopSec")
    assert float(seconds) >= darkroom().stop_time + programs.STOP_MARGIN
    (web_seconds,) = values(SERVICES["web"], "TimeoutStopSec")
    graceful = re.search(r"--timeout-graceful-shutdown (\d+)", SERVICES["web"].read_text())
    assert graceful is not None
    assert float(web_seconds) > float(graceful[1])


def test_example_of_the_environment_has_only_known_variables() -> None:
    names = re.findall(r"^(\w+)=", (UNITS / "environment.example").read_text(), re.MULTILINE)
    text = (DEPLOYMENT.parent / "settings.md").read_text()
    assert [name for name in names if f"`{name}`" not in text] == []
