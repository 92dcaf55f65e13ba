"""tests.runner.machine: a run that leaves something behind is detected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner import machine
from tests.runner.machine import MARK, Places


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two files and a folder that belongs to the run."""
    (tmp_path / "own").mkdir()
    for name in ("kept", "other"):
        (tmp_path / name).write_text("as it was")
    return tmp_path


def places(folder: Path, *, temporary: bool = False) -> Places:
    return Places((), (folder,), folder / "own") if temporary else Places((folder,), (), folder / "own")


def test_unchanged_folder_has_no_problem(folder: Path) -> None:
    before = places(folder).files()
    assert len(before) == 2
    assert machine.changes(before, places(folder).files()) == []


def test_new_changed_and_removed_files_are_reported(folder: Path) -> None:
    before = places(folder).files()
    (folder / "new").touch()
    (folder / "kept").write_text("otherwise")
    (folder / "other").unlink()
    assert machine.changes(before, places(folder).files()) == [
        f"{folder / 'kept'} was changed.",
        f"{folder / 'new'} was left behind.",
        f"{folder / 'other'} was removed.",
    ]


def test_file_that_replaces_a_device_is_reported(folder: Path) -> None:
    (folder / "null").symlink_to(os.devnull)
    before = places(folder).files()
    (folder / "null").unlink()
    (folder / "null").touch()
    assert machine.changes(before, places(folder).files()) == [f"{folder / 'null'} was changed."]


def test_python_caches_are_ignored(folder: Path) -> None:
    before = places(folder).files()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "module.pyc").touch()
    assert machine.changes(before, places(folder).files()) == []


def test_only_own_names_count_in_a_folder_for_temporary_files(folder: Path) -> None:
    before = places(folder, temporary=True).files()
    (folder / "kept").write_text("written by another program")
    (folder / "own" / "report").touch()
    (folder / "anothers").touch()
    (folder / "darkroom-site").mkdir()
    after = places(folder, temporary=True).files()
    assert machine.changes(before, after) == [f"{folder / 'darkroom-site'} was left behind."]


def test_dev_null_must_be_a_device(tmp_path: Path) -> None:
    assert machine.null_problem() == []
    for path in (tmp_path / "missing", tmp_path / "plain"):
        assert machine.null_problem(path) == [f"{path} is no device any more."]
        (tmp_path / "plain").touch()


@pytest.mark.parametrize("found_by", ["mark", "folder"])
def test_leftover_process_is_reported_and_killed(
    found_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "PATIENCE", 0)
    (tmp_path / "var").mkdir()
    marked = {"env": {**os.environ, MARK: "this-run"}} if found_by == "mark" else {"cwd": tmp_path / "var"}
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, **marked) as process:
        assert machine.end_leftovers("another-run", tmp_path / "elsewhere") == []
        told = machine.end_leftovers("this-run", tmp_path)
        assert process.wait(timeout=30) < 0
    assert told == [f"Process {process.pid} lived on: {' '.join(command)}"]


def test_ended_process_is_no_problem(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "input()"]
    environment = {**os.environ, MARK: "this-run"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        process.communicate(b"\n")
        assert machine.end_leftovers("this-run", tmp_path) == []
