"""The report: every table comes from the figures of a run, and missing figures are stated."""

from dataclasses import replace

import pytest

from benchmarks.catalog import CONTENDERS
from benchmarks.measurements import Measurement, Quality, Results
from benchmarks.places import ROOT
from benchmarks.quality.equal_bytes import Comparison, Point
from benchmarks.report.page import worst_table, write_report
from benchmarks.report.run import Run
from benchmarks.work import RENDITIONS


def measured(contender: str, *, cpu: float) -> Measurement:
    qualities = {one.name: Quality(1000, 0.98, 0.2, contender == "thumbor", 75.0) for one in RENDITIONS}
    return Measurement(
        contender=contender,
        picture="jpeg-12.jpg",
        cpu=cpu,
        wall=cpu,
        peak=2**27,
        idle_peak=2**26,
        rounds=3,
        qualities=qualities,
    )


@pytest.fixture
def run() -> Run:
    times = {one.key: 1.0 + index for index, one in enumerate(CONTENDERS)}
    return Run(
        contenders=CONTENDERS,
        labels={"jpeg-12.jpg": "12 MP JPEG", "growth-1152.jpg": "1 MP"},
        results=Results([measured(key, cpu=cpu) for key, cpu in times.items()]),
        growth=Results([replace(measured("darkroom", cpu=0.25), picture="growth-1152.jpg")]),
        steps={"jpeg-12.jpg": {"decode": 0.1, "encode WebP": 0.25}},
        formats={
            "jpeg-12.jpg": {
                "webp": {"cpu": 0.1, "byte_size": 2000, "ssim": 0.97, "score": 74},
                "jpeg": {"cpu": 0.1, "byte_size": 2000, "ssim": 0.97, "score": 74},
                "avif": {"cpu": 0.5, "byte_size": 1500, "ssim": 0.96, "score": 72},
            }
        },
        equal={
            "jpeg-12.jpg": {
                "webp": Comparison(Point(2000, 74), 2000),
                "jpeg": Comparison(Point(2100, 74), 2000),
                "avif": Comparison(Point(1500, 72), None),
            }
        },
        versions={"sharp": {"sharp": "0.1.2"}},
        machine={"python": "3.11", "system": "Linux", "cores": "2", "codecs": "libwebp 1", "load": "0.0"},
    )


def cells(report: str, row: str, *, below: str) -> list[str]:
    """Return the cells of the row with this name, in the section with this title."""
    section = report.split(f"## {below}\n")[1].split("\n## ", maxsplit=1)[0]
    line = next(line for line in section.splitlines() if line.startswith(f"| {row} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ratio_is_darkroom_divided_by_the_other_contender(run: Run) -> None:
    report = write_report(run)
    assert cells(report, "floor", below="CPU") == ["floor", "**0.50**", "2.00"]
    assert cells(report, "thumbor", below="CPU") == ["thumbor", "**0.08**", "13.00"]
    assert cells(report, "Darkroom", below="Peak memory") == ["Darkroom", "**1.00**", "128"]


def test_every_contender_is_listed_with_its_versions(run: Run) -> None:
    report = write_report(run)
    assert cells(report, "sharp, as usually used", below="Who is who")[-1] == "sharp 0.1.2"
    for contender in CONTENDERS:
        assert cells(report, contender.label, below="Who is who")[1] == contender.recipe


def test_report_shows_whether_metadata_is_kept(run: Run) -> None:
    report = write_report(run)
    assert cells(report, "thumbor", below="Quality")[3] == "yes"
    assert cells(report, "Darkroom", below="Quality")[3:] == ["no", "0.9800"]


def test_steps_growth_and_formats_have_tables(run: Run) -> None:
    report = write_report(run)
    assert cells(report, "together", below="Darkroom, step by step") == ["together", "350"]
    share = cells(report, "*encoders ÷ sharp, best recipe*", below="Darkroom, step by step")[1]
    sharp_cpu = 1.0 + [one.key for one in CONTENDERS].index("sharp-best")
    assert share == f"{0.25 / sharp_cpu:.2f}"
    assert cells(report, "1 MP", below="Growth") == ["1 MP", "0.25", "128"]
    assert cells(report, "12 MP JPEG | AVIF", below="Formats")[2:] == [
        "500",
        "2",
        "0.9600",
        "72.0",
    ]


def test_run_without_studies_has_no_tables_for_them(run: Run) -> None:
    report = write_report(replace(run, growth=Results([]), steps={}, formats={}, equal={}))
    for title in ("Darkroom, step by step", "Growth", "Formats", "Bytes at equal quality"):
        assert f"## {title}" not in report
    assert "## Peak memory" in report


def test_missing_contender_is_reported_at_the_top_and_in_the_tables(run: Run) -> None:
    failed = Measurement(contender="thumbor", picture="jpeg-12.jpg", error="not installed")
    others = [one for one in run.results.measurements if one.contender != "thumbor"]
    report = write_report(replace(run, results=Results([*others, failed])))
    assert "**MISSING: thumbor** could not be measured: not installed" in report.split("\n## ")[0]
    assert cells(report, "thumbor", below="CPU")[1] == "**missing**"
    assert cells(report, "thumbor", below="Quality")[1] == "**missing**"


def test_busy_machine_and_quick_run_are_reported(run: Run) -> None:
    assert "busy" not in write_report(run)
    busy = replace(run, machine={**run.machine, "load": "3.5"}, quick=True)
    assert "load 3.5" in write_report(busy)
    assert "quick run" in write_report(busy)


def test_report_contains_no_path_of_the_machine(run: Run) -> None:
    assert str(ROOT) not in write_report(run)


def test_rows_of_a_table_have_equal_numbers_of_cells(run: Run) -> None:
    for table in write_report(run).split("\n\n"):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_bytes_at_equal_quality_are_shown_for_each_format(run: Run) -> None:
    report = write_report(run)
    below = "Bytes at equal quality"
    assert cells(report, "JPEG", below=below) == ["JPEG", "**1.050**", "1.050"]
    assert cells(report, "AVIF", below=below) == ["AVIF", "**–**", "–"]


def test_score_is_shown_beside_the_similarity(run: Run) -> None:
    section = write_report(run).split("| SSIMULACRA2 ")[1]
    assert " 75.0 |" in section.split("\n\n")[0]


def test_missed_limit_is_marked_at_the_picture(run: Run) -> None:
    # Darkroom takes half the time of the floor here, so the peers' limits are met.
    assert cells(write_report(run), "CPU ÷ floor ≤ 1.15", below="Limits")[1] == "0.50"
    slow = [replace(one, cpu=9.0) if one.contender == "darkroom" else one for one in run.results.measurements]
    report = write_report(replace(run, results=Results(slow)))
    assert cells(report, "CPU ÷ floor ≤ 1.15", below="Limits")[1] == "**4.50**, no"


def test_floor_shows_how_far_a_ratio_can_fall(run: Run) -> None:
    floor, sharp = (run.results.get(key, "jpeg-12.jpg") for key in ("floor", "sharp-best"))
    assert floor
    assert sharp
    row = cells(write_report(run), "CPU of the floor ÷ sharp, best recipe", below="Limits")
    assert row[1:] == [f"{floor.cpu / sharp.cpu:.2f}"] * 2


def test_contender_that_cannot_read_the_pictures_is_not_missing(run: Run) -> None:
    assert cells(write_report(run), "ffmpeg", below="CPU")[1] == "**0.07**"
    others = Results([one for one in run.results.measurements if one.contender != "ffmpeg"])
    assert cells(write_report(replace(run, results=others)), "ffmpeg", below="CPU")[1] == "–"


def test_worst_renditions_are_listed_with_their_pictures() -> None:
    worst = {"file": "icons/a.png", "preset": "small", "format": "webp", "score": 31.26, "picture": "01.png"}
    assert "| icons/a.png | small.webp | 01.png  |        31.3 |" in worst_table([worst])
