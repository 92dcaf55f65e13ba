"""Hostile code in the renderer's place: the kernel refuses all that decoding does not need."""

import os
import re
from collections.abc import Collection
from pathlib import Path

import pytest

from processing.renderer import confinement, system_calls
from processing.renderer.frames import Header
from tests.processing.renderer.hostile import ACTS, OTHER_USER, HostileOptions
from tests.processing.renderer.starting import started

pytestmark = pytest.mark.slow

# Only root can stand elsewhere.
PLACES = ["as it is", "another user", "bare root folder"] if os.geteuid() == 0 else ["as it is"]
NOBODY = 65534


def tried(
    folder: Path, *, place: str = "as it is", without: str = "", acts: Collection[str] = tuple(ACTS)
) -> Header:
    """Return what happened to a renderer that tried each act, with a file that it was given."""
    bare, given = folder / "bare", folder / "given"
    bare.mkdir(mode=0o777)
    given.write_bytes(b"as it was")
    options = HostileOptions(place=place, folder=str(bare), without=without)
    with started("hostile", options) as renderer, given.open("rb+") as file:
        renderer.ask({"do": "act", "acts": list(acts)}, files=[file.fileno()])
        answer = {**renderer.answer().header, "users": users_of(renderer.pid)}
    assert (given.read_bytes(), list(bare.iterdir())) == (b"as it was", [])
    return answer


def users_of(pid: int) -> set[int]:
    """Return the real, effective, saved and file system users of a process."""
    (line,) = re.findall("^Uid:(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return set(map(int, line.split()))


@pytest.mark.parametrize("place", PLACES)
def test_hostile_code_is_refused_everything(place: str, tmp_path: Path) -> None:
    answer = tried(tmp_path, place=place)
    assert answer["outcomes"] == dict.fromkeys(ACTS, "EPERM")
    assert answer["threads"]
    if os.geteuid() == 0:
        user = OTHER_USER if place == "another user" else NOBODY
        assert answer["users"] == {user}


def test_landlock_refuses_files_and_connections_by_itself(tmp_path: Path) -> None:
    acts = {"open a file", "read the environment of its parent", "list a folder", "make a file"}
    acts |= {"connect over TCP", "listen", "start a program"}
    outcomes = tried(tmp_path, without="_filter_calls", acts=acts)["outcomes"]
    assert outcomes == dict.fromkeys(acts, "EACCES")


def test_filter_refuses_everything_by_itself(tmp_path: Path) -> None:
    assert set(tried(tmp_path, without="_forbid_files")["outcomes"].values()) == {"EPERM"}


def test_this_system_has_every_part() -> None:
    assert confinement.missing() == []
    assert [confinement.weakness(sandbox) for sandbox in ("auto", "required")] == ["", ""]


def test_weakness_names_what_the_system_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_calls, "machine", lambda: "")
    assert confinement.missing() == ["Landlock", "seccomp"]
    assert "it lacks Landlock and seccomp" in confinement.weakness("auto")
    assert "'off'" in confinement.weakness("off")
