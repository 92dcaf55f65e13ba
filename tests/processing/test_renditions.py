"""Wanted minus stored is missing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from processing import conf, renditions
from processing.fingerprint import fingerprint
from processing.garbage import pending_files
from processing.images.encoding.encoding import Encoded
from processing.models import Focus, Original, PendingFile, Rendition
from processing.presets import Preset, Recipe, Resampler
from tests.conftest import MakeImage, stored_digest
from tests.processing.conftest import StoreOriginal

LARGE = Preset(name="large", width=1280)
TINY = Preset(name="tiny", width=9, formats=("webp",))
SQUARE = Preset(name="square", width=9, height=9, mode="fill", formats=("webp",))


@pytest.fixture
def original(store_original: StoreOriginal) -> Original:
    return store_original()


def row(original: Original, preset: Preset, format: Any = "webp", **fields: Any) -> Rendition:
    """Return an unsaved row without a file."""
    recipe = Recipe(preset, format, fields.get("focus", ""))
    digest, key = fingerprint(recipe, resampler=conf.resampler()), renditions.key_of(original, recipe)
    defaults = {"fingerprint": digest, "key": key, "width": 1, "height": 1, "byte_size": 1}
    return Rendition(
        original=original, preset=preset.name, format=format, digest="0" * 64, **{**defaults, **fields}
    )


def test_wanted_contains_every_preset_in_every_format(original: Original) -> None:
    assert renditions.wanted(original, [LARGE, TINY]) == [
        Recipe(LARGE, "webp"),
        Recipe(LARGE, "jpeg"),
        Recipe(TINY, "webp"),
    ]
    original.transparent = True
    assert renditions.wanted(original, [LARGE]) == [Recipe(LARGE, "webp"), Recipe(LARGE, "png")]


def test_missing_is_wanted_minus_stored(original: Original) -> None:
    row(original, LARGE, "webp").save()
    assert renditions.missing(original, [LARGE, TINY]) == [Recipe(LARGE, "jpeg"), Recipe(TINY, "webp")]
    row(original, LARGE, "jpeg").save()
    row(original, TINY).save()
    assert renditions.missing(original, [LARGE, TINY]) == []


def test_stale_and_redo_renditions_are_missing(original: Original) -> None:
    row(original, LARGE, "webp", fingerprint="f" * 16).save()
    row(original, LARGE, "jpeg", redo=True).save()
    assert renditions.missing(original, [LARGE]) == [Recipe(LARGE, "webp"), Recipe(LARGE, "jpeg")]


def test_rendition_of_another_original_does_not_count(
    original: Original, store_original: StoreOriginal, make_image: MakeImage
) -> None:
    other = store_original(make_image(seed=1))
    assert other != original
    row(other, TINY).save()
    assert renditions.missing(original, [TINY]) == [Recipe(TINY, "webp")]


# The rows of an original, and whether one of its renditions is stale.
STATES: dict[str, tuple[Callable[[Original], Any], bool]] = {
    "nothing": (lambda original: [], False),
    "all": (lambda original: [row(original, LARGE), row(original, LARGE, "jpeg")], False),
    "one format": (lambda original: [row(original, LARGE)], False),
    "another preset": (lambda original: [row(original, TINY)], False),
    "stale": (
        lambda original: [row(original, LARGE), row(original, LARGE, "jpeg", fingerprint="f" * 16)],
        True,
    ),
    "to be done again": (
        lambda original: [row(original, LARGE), row(original, LARGE, "jpeg", redo=True)],
        False,
    ),
    "all of a transparent one": (
        lambda original: [row(original, LARGE), row(original, LARGE, "png")],
        False,
    ),
}


@pytest.mark.parametrize("transparent", [None, False, True])
@pytest.mark.parametrize("state", STATES)
def test_missing_and_stale_agree_with_the_rows(
    state: str, transparent: bool | None, original: Original
) -> None:
    make_rows, is_stale = STATES[state]
    Original.objects.update(transparent=transparent)
    original.refresh_from_db()
    Rendition.objects.bulk_create(make_rows(original))

    second = "png" if transparent else "jpeg"
    good = original.renditions.filter(preset="large", format__in=["webp", second], redo=False)
    assert len(renditions.missing(original, [LARGE])) == 2 - good.exclude(fingerprint="f" * 16).count()
    assert bool(renditions.stale_rows(original, [LARGE])) is is_stale
    assert renditions.missing(original, []) == []
    assert renditions.stale_rows(original, []) == []


def test_rendition_is_stored_under_its_derived_key(original: Original) -> None:
    stored = renditions.store(original, Recipe(TINY, "webp"), Encoded(b"pixels", 9, 6, frames=4))
    assert stored.key == renditions.key_of(original, Recipe(TINY, "webp"))
    assert (stored.width, stored.height, stored.byte_size, stored.frames) == (9, 6, 6, 4)
    assert stored.fingerprint == fingerprint(Recipe(TINY, "webp"), resampler=conf.resampler())
    assert stored_digest(stored.key) == stored.digest
    assert not Rendition.objects.exists()


def record(original: Original, rows: list[Rendition], presets: list[Preset]) -> None:
    """Record rows whose files were announced, as `renditions.render` does."""
    pending_files.announce([one.key for one in rows])
    renditions.record(original, rows, presets)


def discarded() -> list[str]:
    """Return the keys of the files that are to be removed."""
    return sorted(PendingFile.objects.filter(due_at__lte=timezone.now()).values_list("key", flat=True))


def test_recording_replaces_rows_and_discards_unused_files(original: Original) -> None:
    old = row(original, TINY, key="renditions/old", fingerprint="f" * 16, redo=True)
    kept = row(original, LARGE)
    Rendition.objects.bulk_create([old, kept])
    new = row(original, TINY)
    record(original, [new], [TINY])
    assert discarded() == ["renditions/old"]
    assert set(Rendition.objects.values_list("key", "redo")) == {(new.key, False), (kept.key, False)}


def test_recording_twice_discards_no_file(original: Original) -> None:
    record(original, [row(original, TINY)], [TINY])
    assert discarded() == []
    first = Rendition.objects.get()
    record(original, [row(original, TINY, width=7)], [TINY])
    assert discarded() == []
    assert (Rendition.objects.get().pk, Rendition.objects.get().width) == (first.pk, 7)


def test_only_removed_presets_and_formats_are_dropped(original: Original, settings: Settings) -> None:
    settings.DARKROOM = {
        **settings.DARKROOM,
        "PRESETS": {"large": {"width": 1280}, "other": {"width": 9, "formats": ["jpeg"]}},
    }
    other = Preset(name="other", width=9)
    gone = [row(original, TINY), row(original, other, "webp")]
    assert renditions.unwanted_rows(original) == []
    Rendition.objects.bulk_create([row(original, LARGE), row(original, other, "jpeg"), *gone])
    assert renditions.unwanted_rows(original) != []
    renditions.drop_unwanted(original, conf.presets())
    assert discarded() == sorted(one.key for one in gone)
    assert renditions.unwanted_rows(original) == []
    assert set(Rendition.objects.values_list("preset", "format")) == {("large", "webp"), ("other", "jpeg")}


def test_default_presets_want_ten_renditions(original: Original) -> None:
    assert len(renditions.missing(original, conf.presets())) == 10


# --- Resamplers ---------------------------------------------------------------------------


def by(resampler: Resampler, original: Original) -> Rendition:
    """Return a row that a host with that resampler made."""
    return row(original, TINY, fingerprint=fingerprint(Recipe(TINY, "webp"), resampler=resampler))


def use_tiny(settings: Settings, **keys: str) -> None:
    presets = {"tiny": {"width": 9, "formats": ["webp"]}}
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets, **keys}


@pytest.mark.parametrize("made_by", ["simd", "pillow"])
def test_host_does_not_render_the_work_of_another_resampler_again(
    made_by: Resampler, original: Original, settings: Settings
) -> None:
    use_tiny(settings)
    by(made_by, original).save()
    assert renditions.missing(original, [TINY]) == []
    assert renditions.stale_rows(original, [TINY]) == []


def test_renditions_by_another_resampler_than_the_chosen_one_are_stale(
    original: Original, settings: Settings
) -> None:
    use_tiny(settings, RESAMPLER="pillow")
    by("simd", original).save()
    assert renditions.missing(original, [TINY]) == [Recipe(TINY, "webp")]
    assert [one.preset for one in renditions.stale_rows(original, [TINY])] == ["tiny"]
    Rendition.objects.all().delete()
    by("pillow", original).save()
    assert renditions.missing(original, [TINY]) == []
    assert renditions.stale_rows(original, [TINY]) == []


def test_host_says_that_its_site_has_another_resampler(
    original: Original, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    use_tiny(settings)
    by("simd", original).save()
    renditions.report_resampler()
    assert caplog.text == ""
    Rendition.objects.all().delete()
    by("pillow", original).save()
    use_tiny(settings, RESAMPLER="simd")
    renditions.report_resampler()
    assert caplog.text == ""
    use_tiny(settings, RESAMPLER="")
    renditions.report_resampler()
    assert "resamples with 'simd', but the site has renditions by 'pillow'" in caplog.text


# --- Focal points -------------------------------------------------------------------------


def focus_on(original: Original, *points: str) -> None:
    Focus.objects.bulk_create([Focus(original=original, point=point) for point in points])


def set_presets(settings: Settings) -> None:
    """Configure one preset that fits and one that crops."""
    presets: dict[str, dict[str, Any]] = {
        "tiny": {"width": 9},
        "square": {"width": 9, "height": 9, "mode": "fill"},
    }
    fields = {name: {**preset, "formats": ["webp"]} for name, preset in presets.items()}
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": fields}


def test_cropping_presets_are_wanted_for_each_focal_point(original: Original) -> None:
    focus_on(original, "900.500", "100.500")
    assert renditions.wanted(original, [TINY, SQUARE]) == [
        Recipe(TINY, "webp"),
        Recipe(SQUARE, "webp"),
        Recipe(SQUARE, "webp", "100.500"),
        Recipe(SQUARE, "webp", "900.500"),
    ]
    row(original, SQUARE, focus="100.500").save()
    assert renditions.missing(original, [SQUARE]) == [
        Recipe(SQUARE, "webp"),
        Recipe(SQUARE, "webp", "900.500"),
    ]


def test_focal_points_of_others_are_not_missing_for_an_upload(original: Original, settings: Settings) -> None:
    set_presets(settings)
    focus_on(original, "100.500", "900.500")
    Rendition.objects.bulk_create([row(original, TINY), row(original, SQUARE)])
    assert renditions.missing_for(original, "") == []
    assert renditions.missing_for(original, "100.500") == [Recipe(SQUARE, "webp", "100.500")]


# The rows of an original with two presets and two focal points, and whether it lacks any, has stale ones, or
# has unwanted ones.
FOCUSED: dict[str, tuple[list[tuple[Preset, dict[str, Any]]], bool, bool, bool]] = {
    "all": (
        [(TINY, {}), (SQUARE, {}), (SQUARE, {"focus": "1.1"}), (SQUARE, {"focus": "2.2"})],
        *(False, False, False),
    ),
    "one focus": ([(TINY, {}), (SQUARE, {}), (SQUARE, {"focus": "1.1"})], True, False, False),
    "no automatic one": (
        [(TINY, {}), (SQUARE, {"focus": "1.1"}), (SQUARE, {"focus": "2.2"})],
        *(True, False, False),
    ),
    "a stale one": (
        [
            *[(TINY, {}), (SQUARE, {}), (SQUARE, {"focus": "1.1"})],
            (SQUARE, {"focus": "2.2", "fingerprint": "f" * 16}),
        ],
        *(True, True, False),
    ),
    "one to be done again": (
        [(TINY, {}), (SQUARE, {}), (SQUARE, {"focus": "1.1"}), (SQUARE, {"focus": "2.2", "redo": True})],
        *(True, False, False),
    ),
    "one that nobody wants": (
        [(TINY, {}), (SQUARE, {}), *[(SQUARE, {"focus": text}) for text in ("1.1", "2.2", "3.3")]],
        *(False, False, True),
    ),
    "one of what does not crop": (
        [(TINY, {}), (TINY, {"focus": "1.1"}), (SQUARE, {})]
        + [(SQUARE, {"focus": text}) for text in ("1.1", "2.2")],
        *(False, False, True),
    ),
}


@pytest.mark.parametrize("state", FOCUSED)
def test_renditions_of_focal_points_are_missing_stale_or_unwanted(
    state: str, store_original: StoreOriginal, make_image: MakeImage, settings: Settings
) -> None:
    set_presets(settings)
    rows, lacks, is_stale, has_unwanted = FOCUSED[state]
    original, other = store_original(), store_original(make_image(seed=1))
    focus_on(original, "1.1", "2.2")
    # The rows and focal points of another original have no effect.
    focus_on(other, "1.1", "3.3")
    Rendition.objects.bulk_create([row(original, preset, **fields) for preset, fields in rows])

    assert bool(renditions.missing(original, [TINY, SQUARE])) is lacks
    assert bool(renditions.stale_rows(original, [TINY, SQUARE])) is is_stale
    assert bool(renditions.unwanted_rows(original)) is has_unwanted


def test_rendition_of_a_focal_point_is_stored_beside_the_automatic_one(original: Original) -> None:
    rows = [row(original, SQUARE), row(original, SQUARE, focus="1.1")]
    record(original, rows, [SQUARE])
    assert discarded() == []
    record(original, [row(original, SQUARE, focus="1.1", width=7)], [SQUARE])
    assert discarded() == []
    assert set(Rendition.objects.values_list("focus", "width")) == {("", 1), ("1.1", 7)}


def test_renditions_of_the_other_step_are_not_dropped(original: Original, settings: Settings) -> None:
    set_presets(settings)
    Rendition.objects.bulk_create([row(original, SQUARE, focus="1.1"), row(original, LARGE)])
    large, square = (row.key for row in Rendition.objects.order_by("preset"))
    renditions.drop_unwanted(original, [TINY])
    assert discarded() == [large]
    renditions.drop_unwanted(original, [SQUARE])
    assert discarded() == sorted([large, square])
