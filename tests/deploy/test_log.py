"""deploy.log: every line names its process."""

import io

import pytest
from rich.console import Console

from deploy.log import Log


def written_by(log_line: str, *, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=40, highlight=False, markup=False)
    Log(console=console).line(name="web", text=log_line)
    return stream.getvalue()


def test_line_follows_the_padded_name_of_its_program() -> None:
    assert written_by("[info] ready", terminal=False) == "web           │ [info] ready\n"


def test_long_line_is_not_wrapped() -> None:
    assert written_by("x" * 500, terminal=False).count("\n") == 1


def test_names_are_coloured_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in written_by("ready", terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in written_by("ready", terminal=True)
