"""A bare Django project in a fresh environment, in which the blocks of a documentation page are followed."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.install.clone import inherited

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
COMMENT = re.compile(r"(?:#|<!--) (.+?)(?: -->)?")
FILE = re.compile(r"([\w/]+\.\w+)(, at the end)?")
AFTER = re.compile(r"Do this after step (\d+)\.")
HERE = ("in an empty folder", "in the folder of the project")
TERMINAL = re.compile(r"in a \w+ terminal")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page: its first line without the comment sign, and the lines below."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page. `after` is the number of the step behind which an optional one belongs, or 0."""

    title: str
    after: int
    blocks: tuple[Block, ...]


def sections(page: str) -> list[Section]:
    """Return the sections of a page in order."""
    _, *parts = HEADING.split(page)
    return [_section(title, text) for title, text in zip(parts[::2], parts[1::2], strict=True)]


def _section(title: str, text: str) -> Section:
    after = AFTER.search(text)
    blocks = tuple(_block(body) for _language, body in FENCE.findall(text))
    return Section(title, int(after[1]) if after else 0, blocks)


def _block(body: str) -> Block:
    first, _, rest = body.partition("\n")
    comment = COMMENT.fullmatch(first)
    assert comment, f"The block does not say where it belongs: {first}"
    return Block(comment[1], rest)


def steps(page: str, *optional: str) -> list[Block]:
    """Return the blocks of the numbered sections, and of these optional ones at their places."""
    found = sections(page)
    chosen = sorted((one for one in found if one.title in optional), key=lambda section: section.title)
    assert [section.title for section in chosen if section.after] == sorted(optional)
    blocks: list[Block] = []
    for section in found:
        number = re.match(r"(\d+)\. ", section.title)
        if number:
            places = [section, *(one for one in chosen if one.after == int(number[1]))]
            blocks += [block for one in places for block in one.blocks]
    return blocks


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal in which a command runs until Ctrl-C, and the file with its output."""

    process: subprocess.Popen[bytes]
    output_path: Path

    def interrupt(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> None:
        """Wait until the command has ended, and show its output. A command that does not end is killed."""
        try:
            self.process.wait(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            # pytest shows this if the test fails.
            sys.stdout.write(self.output_path.read_text(errors="replace"))


class Project:
    """A project that a person makes by hand in an empty folder. Use it in a `with` statement.

    `environment` is added to that of every command.
    """

    def __init__(self, python: str, environment: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="project-")).resolve()
        self.path = self._folder / "mine"
        self._terminals: list[Terminal] = []
        programs, temporary = self._folder / "bin", self._folder / "tmp"
        for folder in (self.path, programs, temporary):
            folder.mkdir()
        # `python3` is the chosen interpreter. A link would confuse its search for its library.
        (programs / "python3").write_text(f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n')
        (programs / "python3").chmod(0o755)
        kept = inherited(os.environ)
        self._environment = {
            **kept,
            "PATH": f"{programs}:{kept['PATH']}",
            "TMPDIR": str(temporary),
            **environment,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Press Ctrl-C in each terminal, and remove everything."""
        for terminal in self._terminals:
            terminal.interrupt()
        for terminal in self._terminals:
            terminal.wait()
        shutil.rmtree(self._folder)

    def follow(self, blocks: Iterable[Block]) -> None:
        """Do what the blocks say, in order."""
        for block in blocks:
            file = FILE.fullmatch(block.title)
            if file:
                self._write(self.path / file[1], block.text, at_end=bool(file[2]))
            elif TERMINAL.fullmatch(block.title):
                self._start(block.text)
            else:
                assert block.title in HERE, f"The block does not say where it belongs: {block.title}"
                self.run(block.text)

    def run(self, commands: str) -> str:
        """Run commands in the first terminal, and return their output. Each must succeed."""
        memory, output_path = self._folder / "terminal.sh", self._folder / "output.txt"
        # The next commands continue in this folder and with these variables.
        script = (
            f"[ ! -e {memory} ] || . {memory}\n{commands}\n"
            f'{{ export -p; printf "cd %q\\n" "$PWD"; }} > {memory}'
        )
        status = self._opened(script, output_path).wait(timeout=600)
        text = output_path.read_text()
        sys.stdout.write(f"{commands}\n{text}\n")  # pytest shows this if the test fails
        assert status == 0, f"Status {status} of these commands:\n{commands}"
        return text

    def require_running(self) -> bool:
        """Return True, or fail if the command of another terminal has ended."""
        assert all(terminal.process.poll() is None for terminal in self._terminals)
        return True

    def _write(self, path: Path, text: str, *, at_end: bool) -> None:
        start = f"{path.read_text()}\n" if at_end else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(start + text)

    def _start(self, commands: str) -> None:
        """Run commands in another terminal until the end."""
        output_path = self._folder / f"terminal-{len(self._terminals) + 2}.txt"
        self._terminals.append(Terminal(self._opened(commands, output_path), output_path))

    def _opened(self, script: str, output_path: Path) -> subprocess.Popen[bytes]:
        """Run a script that ends at the first error."""
        with output_path.open("wb") as output:
            return subprocess.Popen(
                # A run of the tests in the background ignores Ctrl-C, and would pass that on.
                ["env", "--default-signal=INT", "bash", "-e", "-c", script],
                cwd=self.path,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
