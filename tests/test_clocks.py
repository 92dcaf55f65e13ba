"""No test compares a duration with the clock, because it would fail on a slow or busy machine.

Benchmarks measure speed. Tests of fairness check the order of events. Tests that wait for something to happen
use a condition with a generous limit. Their functions are listed here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "time"}
# Functions that wait for a condition, or that run for a given time.
WAITING = {
    "faults/chaos.py::run",
    "faults/site.py::wait_until_at_rest",
    "faults/soaking.py::_come_to_rest",
    "install/load.py::run",
    "runner/machine.py::end_leftovers",
    "system.py::wait_until",
    "uploads/upkeep/test_unused.py::wait_for_lock",
}


def compared_with_a_clock(source: str) -> set[str]:
    """Return the functions that compare a clock's time by <, <=, > or >=."""
    return {
        name for name, node in _functions(ast.parse(source)) if any(map(_reads_a_clock, _comparisons(node)))
    }


def _functions(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node


def _comparisons(function: ast.AST) -> Iterator[ast.Compare]:
    sizes = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and any(isinstance(operator, sizes) for operator in node.ops):
            yield node


def _reads_a_clock(comparison: ast.Compare) -> bool:
    calls = (node.func for node in ast.walk(comparison) if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Attribute | ast.Name) and _last(called) in CLOCKS for called in calls)


def _last(called: ast.Attribute | ast.Name) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id


@pytest.mark.slow
def test_only_waiting_functions_compare_the_clock() -> None:
    found = {
        f"{path.relative_to(TESTS)}::{name}"
        for path in TESTS.rglob("*.py")
        for name in compared_with_a_clock(path.read_text())
    }
    assert found == WAITING


@pytest.mark.parametrize(
    ("line", "noticed"),
    [
        ("assert time.monotonic() - started < 2", True),
        ("assert 2 > perf_counter() - started", True),
        ("assert len(answers) < 2", False),
        ("assert time.monotonic() == frozen", False),
        ("started = time.monotonic()", False),
    ],
)
def test_comparison_with_the_clock_is_detected(line: str, noticed: bool) -> None:
    assert compared_with_a_clock(f"def test_it(): {line}") == ({"test_it"} if noticed else set())
