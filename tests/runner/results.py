"""Read the outcomes of the tests from pytest's JUnit reports."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

SLOWEST = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a test: its name, how it ended ("passed", "failed" or "skipped"), and its duration."""

    name: str
    ended: str
    seconds: float


def read_report(path: Path) -> list[Outcome]:
    """Return the outcome of each test in a report, or none if pytest ended before it wrote the report."""
    if not path.exists():
        return []
    return [_outcome(case) for case in ElementTree.parse(path).getroot().iter("testcase")]


def _outcome(case: ElementTree.Element) -> Outcome:
    found = {child.tag for child in case}
    ended = "failed" if found & {"failure", "error"} else "skipped" if "skipped" in found else "passed"
    return Outcome(
        name=f"{case.get('classname', '')}::{case.get('name', '')}",
        ended=ended,
        seconds=float(case.get("time", "0")),
    )


def slowest(outcomes: Iterable[Outcome]) -> list[str]:
    """Return a line for each of the slowest tests."""
    ranked = sorted(outcomes, key=lambda outcome: -outcome.seconds)[:SLOWEST]
    return [f"{outcome.seconds:7.2f} s  {outcome.name}" for outcome in ranked]


def total(outcomes: Iterable[Outcome], *, more_failures: int) -> str:
    """Return the last line of a run. `more_failures` counts problems that belong to no test."""
    ends = [outcome.ended for outcome in outcomes]
    failed = ends.count("failed") + more_failures
    return f"total: {ends.count('passed')} passed, {failed} failed, {ends.count('skipped')} skipped"
