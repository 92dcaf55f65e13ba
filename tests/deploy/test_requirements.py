"""The lock files: every package has an exact version and hashes, but no index."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.processing.processes import ROOT

LOCKS = sorted([*(ROOT / "requirements").glob("*.txt"), *(ROOT / "benchmarks").glob("*.txt")])
# A name, a version, possibly a condition, and then only hashes.
REQUIREMENT = re.compile(
    r"^[a-z0-9][a-z0-9.-]*(\[[a-z0-9,-]+\])?==[0-9][\w.+!-]*( ; [^\\\n]+)?"
    r"( \\\n    --hash=sha256:[0-9a-f]{64})+\n",
    re.MULTILINE,
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_files_contain_only_packages_with_hashes(lock: Path) -> None:
    text = lock.read_text()
    assert REQUIREMENT.search(text)
    assert REQUIREMENT.sub("", text) == ""


def test_npm_packages_are_locked_by_hash_without_url() -> None:
    packages = json.loads((ROOT / "frontend" / "package-lock.json").read_text())["packages"]
    found = {name: package for name, package in packages.items() if name}
    assert found
    assert [
        name for name, package in found.items() if not package.get("integrity", "").startswith("sha512-")
    ] == []
    assert [name for name, package in found.items() if "resolved" in package] == []


def test_lock_of_the_resampler_is_for_its_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["dependency-groups"]["resampler"] == project["project"]["optional-dependencies"]["simd"]
