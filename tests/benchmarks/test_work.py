"""benchmarks.work: the renditions that are asked for."""

from benchmarks.work import RENDITIONS, renditions_for


def widths(original: int) -> list[int]:
    return [one.width for one in renditions_for(original) if one.format == "webp" and one.height is None]


def test_large_picture_has_nine_renditions() -> None:
    assert renditions_for(4032) == RENDITIONS
    assert len(RENDITIONS) == 9


def test_no_rendition_is_wider_than_the_picture() -> None:
    assert widths(816) == [816, 640, 320]
    assert widths(200) == [200]


def test_sizes_that_would_be_equal_are_asked_for_once() -> None:
    assert widths(1280) == [1280, 640, 320]


def test_clipped_rendition_keeps_its_name() -> None:
    assert [one.name for one in renditions_for(816)][:2] == ["1280.webp", "1280.jpeg"]
