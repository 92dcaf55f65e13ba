"""benchmarks.system.page: the report states each limit, and what was reached."""

from benchmarks.system.extents import SMALLEST, THOROUGH
from benchmarks.system.figures import Figures
from benchmarks.system.page import write_report

MACHINE = {"python": "3.11", "system": "Linux", "cores": "2", "load": "0.0"}
FOUND = Figures(
    last_thumbnail=10, all_ready=50, alone=[0.1, 0.2], meanwhile=[0.5, 1.5], reprocessing=[0.2, 0.3]
)


def cells(report: str, row: str) -> list[str]:
    line = next(line for line in report.splitlines() if line.startswith(f"| {row}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_report_states_each_limit() -> None:
    report = write_report(FOUND, extent=THOROUGH, machine=MACHINE)
    assert cells(report, "last thumbnail of a batch")[1:] == ["0.20", "≤ 0.3", "yes"]
    assert cells(report, "another person's thumbnail meanwhile")[1:] == ["1.50", "≤ 1", "**no**"]
    assert cells(report, "another person's thumbnail while")[1:] == ["1.50", "≤ 2", "yes"]
    assert cells(report, "alone")[1:] == ["2", "0.15", "0.20", "0.20"]
    assert "short run" not in report
    assert "busy" not in report


def test_report_admits_a_short_run_and_a_busy_machine() -> None:
    report = write_report(FOUND, extent=SMALLEST, machine={**MACHINE, "load": "1.5"})
    assert "short run" in report
    assert "load 1.5" in report
