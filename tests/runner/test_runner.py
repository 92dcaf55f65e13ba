"""tests.runner: all parts run, and the last line and the exit status cover all of them."""

from pathlib import Path

import pytest

from tests.runner import __main__ as runner
from tests.runner import results
from tests.runner.machine import Places
from tests.runner.parts import SELECTIONS, Part, Selection
from tests.runner.results import Outcome

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="one" time="0.5"/>
<testcase classname="tests.a" name="two" time="3.25"><failure message="no"/></testcase>
<testcase classname="tests.b" name="three" time="0"><skipped message="why"/></testcase>
<testcase classname="tests.b" name="four" time="1"><error message="in the fixture"/></testcase>
</testsuite></testsuites>"""
SUITE = """
import pytest
def test_passes(): pass
@pytest.mark.slow
def test_fails(): assert False
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the runner find two tests: one that passes, and a slow one that fails."""
    (tmp_path / "test_it.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\naddopts = -p no:django\n")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    # Other tests may change files at the same time.
    monkeypatch.setattr(runner, "watched", lambda folder: Places((), (), folder))
    return tmp_path


@pytest.fixture
def outcomes(tmp_path: Path) -> list[Outcome]:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    return results.read_report(path)


def test_report_is_parsed(outcomes: list[Outcome]) -> None:
    assert [outcome.ended for outcome in outcomes] == ["passed", "failed", "skipped", "failed"]
    assert outcomes[1] == Outcome("tests.a::two", "failed", 3.25)


def test_missing_report_has_no_outcome(tmp_path: Path) -> None:
    assert results.read_report(tmp_path / "none.xml") == []


def test_slowest_tests_are_listed_first(outcomes: list[Outcome]) -> None:
    assert [line.split()[-1] for line in results.slowest(outcomes)] == [
        "tests.a::two",
        "tests.b::four",
        "tests.a::one",
        "tests.b::three",
    ]
    assert len(results.slowest(outcomes * 10)) == results.SLOWEST


def test_total_counts_tests_and_problems(outcomes: list[Outcome]) -> None:
    assert results.total(outcomes, more_failures=1) == "total: 1 passed, 3 failed, 1 skipped"
    assert results.total(outcomes[:1], more_failures=0) == "total: 1 passed, 0 failed, 0 skipped"


@pytest.mark.slow
@pytest.mark.usefixtures("suite")
def test_every_part_runs_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = (
        Part("broken", "slow"),
        Part("unable", "not slow", ("--no-such-option",)),
        Part("well", "not slow"),
    )
    monkeypatch.setitem(SELECTIONS, "all", Selection((parts[:2], parts[2:]), "Left out: nothing."))
    assert runner.main(["all"]) == 1
    said = capsys.readouterr().out
    assert "FAILED test_it::test_fails" in said
    assert "PROBLEM The part `unable` ended with status 4." in said
    assert said.endswith("Left out: nothing.\ntotal: 1 passed, 2 failed, 0 skipped\n")
    monkeypatch.setitem(SELECTIONS, "all", Selection((parts[2:],), ""))
    assert runner.main(["all"]) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("suite")
def test_run_without_selected_tests_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SELECTIONS, "all", Selection(((Part("one", ""),),), ""))
    assert runner.main(["all", "-k", "nothing_of_this_name"]) == 1
    assert capsys.readouterr().out.endswith("total: 0 passed, 1 failed, 0 skipped\n")
