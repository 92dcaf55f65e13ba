"""A fresh clone works as documented: each make target runs there with its smallest workload."""

import json
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TypeVar

import pytest
from PIL import Image

from benchmarks.catalog import CONTENDERS
from deploy.ports import HOST, any_free_port
from tests import rabbitmq
from tests.conftest import IN_CI, MakeImage
from tests.faults.person import Person
from tests.install.clone import Clone
from tests.processing.processes import ROOT
from tests.system import wait_until

pytestmark = pytest.mark.install

Test = TypeVar("Test", bound=Callable[..., None])
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/commands.md")
# Inline code, or a line of an indented block.
CODE = re.compile(r"`([^`]+)`|^    (.+)$", re.MULTILINE)
STARTED: set[str] = set()
NOT_STARTED = {
    "test": "it runs the whole suite; test-fast shows that the tests run in a fresh clone",
    "test-install": "it runs these tests",
}


def starts(target: str) -> Callable[[Test], Test]:
    """Record that a test starts this target."""

    def note(test: Test) -> Test:
        STARTED.add(target)
        return test

    return note


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """Return the clone that all tests share. The first command sets up its environment."""
    with Clone() as clone:
        yield clone


def documented_targets() -> set[str]:
    """Return every make target that the documentation names."""
    text = "\n".join((ROOT / document).read_text() for document in DOCUMENTS)
    code = "\n".join(span or line for span, line in CODE.findall(text))
    return set(re.findall(r"\bmake ([a-z][a-z-]*)", code))


def test_every_documented_make_target_is_tested() -> None:
    assert {"run", "test", "screenshots", "clean"} <= documented_targets()
    assert documented_targets() - STARTED - NOT_STARTED.keys() == set()


def test_clone_inherits_no_environment_of_the_tests(clone: Clone) -> None:
    names = {line.partition("=")[0] for line in clone.run("env").splitlines()}
    assert {"PATH", "CORPUS", "TMPDIR"} <= names
    assert {"DJANGO_SETTINGS_MODULE", "VAR_DIR", "MEDIA_ROOT", "REDIS_URL", "SECRET_KEY"} & names == set()
    assert not (clone.path / ".venv").exists()


@starts("run")
def test_run_serves_sign_in_and_uploads(clone: Clone, make_image: MakeImage) -> None:
    port = any_free_port()
    with clone.started("make", "run", PORT=str(port)) as run:
        wait_until(lambda: "Stop  " in run.output() or run.process.poll() is not None, seconds=300)
        link = re.search(rf"http://{HOST}:{port}/accounts/link/\S+", run.output())
        assert link is not None
        assert '<bdi class="person">demo</bdi>' in page_behind(link[0])
        upload_and_look(program_of_the_demo_person(clone, port), make_image())
        assert "uploads: 0\n" in clone.manage("reprocess", "--stale", "--dry-run")
        assert clone.manage("reprocess", "--stale").startswith("0 selected")
        # The system exits cleanly. `make` either reports that, or ends by the same signal.
        assert run.interrupt() in {0, -signal.SIGINT}
        clone.wait_until_nothing_runs()
    assert clone.changes() == ""


def page_behind(link: str) -> str:
    """Return the page behind a link, as a browser with cookies gets it."""
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor()
    with urllib.request.build_opener(*handlers).open(link, timeout=60) as answer:
        return str(answer.read().decode())


def program_of_the_demo_person(clone: Clone, port: int) -> Person:
    """Return a client with the token that the README's command prints."""
    token = re.search(r"\b[0-9a-f]{40}\b", clone.manage("drf_create_token", "demo"))
    assert token is not None
    return Person(name="demo", token=token[0], session="", port=port)


def upload_and_look(program: Person, picture: bytes) -> None:
    """Upload a picture, wait until it is ready, and fetch its renditions."""
    answer = program.send(picture)
    assert answer.status == 201
    upload = answer.json()["id"]
    wait_until(lambda: program.upload(upload)["status"] == "ready", seconds=120)
    renditions = program.upload(upload)["renditions"]
    assert renditions
    for rendition in renditions:
        fetched = program.request("GET", rendition["url"].removeprefix(f"http://{HOST}:{program.port}"))
        assert fetched.status == 200
        assert Image.open(BytesIO(fetched.body)).size == (rendition["width"], rendition["height"])


@starts("help")
def test_help_lists_every_documented_target(clone: Clone) -> None:
    output = clone.make("help")
    assert {target for target in documented_targets() if f"make {target} " not in output} == set()


@starts("messages")
def test_messages_changes_no_catalogue(clone: Clone) -> None:
    clone.make("messages")
    assert clone.changes() == ""


@starts("dist")
def test_dist_builds_a_wheel_and_an_sdist(clone: Clone) -> None:
    clone.make("dist")
    names = {path.name for path in (clone.path / "dist").iterdir()}
    assert {name.partition("-")[2] for name in names} >= {"0.1.0.tar.gz", "0.1.0-py3-none-any.whl"}
    assert clone.changes() == ""


@starts("fuzz")
def test_fuzz_reports_the_outcome_of_each_file(clone: Clone) -> None:
    output = clone.make("fuzz", "--count 20")
    assert sum(int(number) for number in re.findall(r"(\d+) header: ", output)) == 20


@starts("soak")
@pytest.mark.parametrize(
    "options",
    [
        "--database postgresql --broker redis --storage local",
        pytest.param(
            "--database sqlite --broker rabbitmq --storage s3",
            marks=pytest.mark.skipif(not (IN_CI or rabbitmq.is_installed()), reason="There is no RabbitMQ."),
        ),
    ],
)
def test_soak_finds_no_violation(clone: Clone, options: str) -> None:
    output = clone.make("soak", f"--seconds 5 {options}", seconds=1800)
    assert "| database, broker, storage |" in output
    assert output.endswith("The promise was kept.\n")
    assert clone.changes() == ""


@starts("hostile")
def test_hostile_people_get_nowhere(clone: Clone) -> None:
    output = clone.make("hostile", "--only A3 B4", seconds=900)
    assert output.endswith("Nothing is lost, and no intruder is in.\n")
    assert clone.changes() == ""


@starts("screenshots")
def test_screenshots_of_one_state_do_not_change_the_readme(clone: Clone) -> None:
    clone.make("screenshots", "--only sign_in", seconds=600)
    names = {path.name for path in (clone.path / "var" / "screenshots").glob("*.png")}
    assert names == {f"sign_in-{width}-{scheme}.png" for width in (1280, 360) for scheme in ("light", "dark")}
    assert clone.changes() == ""


def absent(contender: str) -> bool:
    """Return whether this is an optional contender that is not installed."""
    return next(one.absent for one in CONTENDERS if one.key == contender)


@starts("bench")
def test_bench_measures_every_contender(clone: Clone) -> None:
    clone.make("bench", "--smallest", seconds=900)
    figures = json.loads((clone.path / "var" / "benchmarks.json").read_text())
    measurements = [one for one in figures["measurements"] if not absent(one["contender"])]
    assert {one["contender"] for one in measurements} == {one.key for one in CONTENDERS if not one.absent}
    assert all(one["cpu"] > 0 and one["qualities"] for one in measurements)
    scored = [one for one in measurements if one["contender"] == "darkroom"]
    assert all(quality["score"] > 50 for one in scored for quality in one["qualities"].values())
    assert set(figures["equal_quality"]["jpeg-0.5.jpg"]) == {"webp", "jpeg", "avif"}
    assert clone.changes() == ""


@starts("bench-system")
def test_bench_system_measures_every_stage(clone: Clone) -> None:
    output = clone.make("bench-system", "--smallest", seconds=600)
    rows = [line for line in output.splitlines() if re.match(r"\| .* ≤ ", line)]
    assert len(rows) == 3
    assert all(re.search(r"\| +\d+\.\d\d \| +≤ ", row) for row in rows)
    assert clone.changes() == ""


@starts("bench-delivery")
def test_bench_delivery_measures_every_way(clone: Clone) -> None:
    output = clone.make("bench-delivery", "--smallest", seconds=600)
    assert len(re.findall(r"^\| .* \| +\d+ \| +\d+\.\d\d \|$", output, re.MULTILINE)) == 5
    assert clone.changes() == ""


@starts("advisories")
def test_advisories_lists_the_packages_to_check(clone: Clone) -> None:
    output = clone.make("advisories", "--dry-run")
    assert re.search(r"would have audited \d\d+ packages", output)
    assert "htmx.org@" in output
    assert output.endswith("Dry run: neither OSV nor npm was asked.\n")


@starts("sbom")
def test_sbom_names_what_a_site_installs(clone: Clone) -> None:
    found = json.loads(clone.make("sbom"))
    assert {"django", "htmx.org", "libavif"} <= {one["name"] for one in found["components"]}


@starts("check")
def test_check_finds_nothing(clone: Clone) -> None:
    assert "Success: no issues found" in clone.make("check", seconds=900)


@starts("test-fast")
def test_fast_tests_pass_without_skips(clone: Clone) -> None:
    output = clone.make("test-fast", seconds=1800)
    assert re.fullmatch(r"total: \d+ passed, 0 failed, 0 skipped", output.splitlines()[-1])
    assert clone.changes() == ""


@starts("lock")
def test_lock_changes_no_file(clone: Clone) -> None:
    clone.make("lock")
    assert clone.changes() == ""


@starts("clean")
def test_clean_removes_the_environment_and_keeps_media(clone: Clone) -> None:
    kept = [clone.path / "media" / "originals" / "kept", clone.path / "var" / "kept"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    clone.make("clean")
    assert not (clone.path / ".venv").exists()
    assert list(clone.path.glob("uploads/**/__pycache__")) == []
    assert all(path.exists() for path in kept)
    assert clone.changes() == ""
