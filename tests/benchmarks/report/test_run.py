"""benchmarks.report.run: the verdict on a run."""

from dataclasses import replace

import pytest

from benchmarks.catalog import CONTENDERS, Contender
from benchmarks.measurements import Measurement, Results
from benchmarks.report.run import Run


def measured(contender: str, *, cpu: float = 1.0, error: str = "") -> Measurement:
    return Measurement(contender=contender, picture="animation.gif", cpu=cpu, wall=cpu, error=error)


def run_of(*measurements: Measurement) -> Run:
    return Run(
        contenders=CONTENDERS,
        labels={},
        results=Results(measurements),
        growth=Results([]),
        steps={},
        formats={},
        equal={},
        versions={},
        machine={},
    )


@pytest.mark.parametrize(("cpu", "strict", "code"), [(0.5, True, 0), (0.7, True, 1), (0.7, False, 0)])
def test_missed_limit_fails_only_a_strict_run(cpu: float, strict: bool, code: int) -> None:
    texts, found = run_of(measured("darkroom", cpu=cpu), measured("sharp-best")).verdict(strict=strict)
    assert found == code
    missed = ["MISSED: CPU ÷ sharp, best recipe, GIF, 60 frames: 0.7, must be at most 0.6"]
    assert texts == (missed if cpu > 0.6 else [])


def test_failed_contender_fails_every_run() -> None:
    run = run_of(measured("darkroom", cpu=0.5), measured("sharp-best"), measured("sharp", error="broken"))
    assert run.verdict(strict=False) == (["MISSING: sharp, as usually used: broken"], 1)


def test_limit_that_could_not_be_measured_is_missed() -> None:
    texts, code = run_of(measured("darkroom"), measured("sharp-best", error="broken")).verdict(strict=True)
    assert code == 1
    assert "MISSED: CPU ÷ sharp, best recipe, GIF, 60 frames: not measured, must be at most 0.6" in texts


def test_optional_contender_that_is_not_installed_fails_no_run() -> None:
    optional = Contender(key="x", label="X", module="x", recipe="", program="no-such-program")
    run = run_of(measured("darkroom", cpu=0.5), measured("sharp-best"), measured("x", error="not installed"))
    run = replace(run, contenders=[*CONTENDERS, optional])
    assert run.absent == ["x"]
    assert run.verdict(strict=True) == ([], 0)
