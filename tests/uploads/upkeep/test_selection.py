"""The selection of uploads to reprocess, and the estimate of the work."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from processing import conf
from processing.models import Original, Rendition
from processing.presets import Preset
from tests.conftest import MakeImage, Send
from uploads import completion, services
from uploads.models import Step, Upload
from uploads.upkeep import selection
from uploads.upkeep.selection import NothingMatches, Selection

pytestmark = pytest.mark.django_db

PRESETS: dict[str, Any] = {"thumb": {"width": 64, "height": 64, "mode": "fill"}, "small": {"width": 100}}
SetPresets = Callable[..., None]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Hash passwords fast, because no test signs in."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def set_presets(settings: Settings) -> SetPresets:
    """Return a function that sets the presets. A few small ones are set already."""

    def set_presets(**presets: dict[str, Any]) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}

    set_presets(**PRESETS)
    return set_presets


@pytest.fixture
def images(send: Send, make_image: MakeImage) -> list[Upload]:
    """Return three unprocessed uploads, oldest first."""
    uploads = [send(make_image(width=150, height=120, seed=seed)) for seed in range(3)]
    for age, upload in enumerate(reversed(uploads), start=1):
        Upload.objects.filter(pk=upload.pk).update(created_at=timezone.now() - timedelta(days=age))
    return uploads


def preset_named(name: str) -> Preset:
    preset = conf.preset_named(name)
    assert preset is not None
    return preset


def chosen(**asked: Any) -> list[Upload]:
    return list(Selection(**asked).uploads())


def test_empty_selection_finds_nothing(images: list[Upload]) -> None:
    assert chosen() == []


def test_all_uploads_are_oldest_first_without_deleted_ones(images: list[Upload]) -> None:
    services.delete_upload(upload=images[1])
    assert chosen(everything=True) == [images[0], images[2]]


@pytest.mark.parametrize("digits", [8, 31, 32, 33, 63, 64])
def test_original_is_selected_by_a_prefix_of_its_hash(images: list[Upload], digits: int) -> None:
    content_hash = images[1].original.content_hash
    assert chosen(names=(content_hash[:digits],)) == [images[1]]
    assert chosen(names=(content_hash[:digits].upper(),)) == [images[1]]


def test_hash_selects_the_uploads_of_every_owner(send: Send, make_image: MakeImage, stranger: User) -> None:
    data = make_image(width=150, height=120)
    first, second = send(data), send(data, by=stranger)
    assert chosen(names=(first.original.content_hash,)) == [first, second]


def test_upload_is_selected_by_id_with_or_without_dashes(images: list[Upload]) -> None:
    assert chosen(names=(str(images[0].pk),)) == [images[0]]
    assert chosen(names=(images[0].pk.hex,)) == [images[0]]


def test_names_and_options_add_up(images: list[Upload]) -> None:
    Upload.objects.filter(pk=images[2].pk).update(status=Upload.Status.FAILED)
    names = (str(images[0].pk), images[0].original.content_hash)
    assert chosen(names=names, failed=True) == [images[0], images[2]]


@pytest.mark.parametrize(
    "name", ["no-such", "abcdef1", "f" * 65, "0" * 64, "00000000-0000-4000-8000-000000000000", ""]
)
def test_unknown_name_is_reported(images: list[Upload], name: str) -> None:
    with pytest.raises(NothingMatches, match="is neither an upload id nor a content hash"):
        chosen(names=(str(images[0].pk), name))


def test_deleted_upload_cannot_be_selected(images: list[Upload]) -> None:
    services.delete_upload(upload=images[0])
    with pytest.raises(NothingMatches):
        chosen(names=(str(images[0].pk),))


def test_owner_limits_the_selection(
    images: list[Upload], send: Send, make_image: MakeImage, stranger: User
) -> None:
    theirs = send(make_image(width=90, height=90), by=stranger)
    assert chosen(everything=True, owner="bob") == [theirs]
    assert chosen(names=(images[0].original.content_hash,), owner="bob") == []


def test_unknown_owner_is_reported(images: list[Upload]) -> None:
    with pytest.raises(NothingMatches, match="There is no owner 'nobody'"):
        chosen(everything=True, owner="nobody")


def test_since_limits_the_selection(images: list[Upload]) -> None:
    assert chosen(everything=True, since=timezone.now() - timedelta(days=2, hours=1)) == images[1:]
    assert chosen(everything=True, since=datetime(2999, 1, 1, tzinfo=UTC)) == []


def test_limit_selects_the_oldest(images: list[Upload]) -> None:
    assert chosen(everything=True, limit=2) == images[:2]
    assert chosen(everything=True, limit=9) == images


def test_missing_selects_uploads_without_a_rendition(images: list[Upload]) -> None:
    for upload in images:
        completion.run_here(upload)
    assert chosen(missing=True) == []
    Rendition.objects.get(original=images[1].original, preset="small", format="jpeg").delete()
    assert chosen(missing=True) == [images[1]]
    assert chosen(missing=True, preset=preset_named("small")) == [images[1]]
    assert chosen(missing=True, preset=preset_named("thumb")) == []


def test_png_replaces_jpeg_for_a_transparent_picture(send: Send, make_image: MakeImage) -> None:
    upload = send(make_image(width=150, height=120, format="PNG", mode="RGBA"))
    completion.run_here(upload)
    assert set(upload.original.renditions.values_list("format", flat=True)) == {"webp", "png"}
    assert chosen(missing=True) == []


def test_stale_selects_uploads_rendered_by_an_older_recipe(
    images: list[Upload], set_presets: SetPresets
) -> None:
    completion.run_here(images[0])
    completion.run_here(images[1])
    assert chosen(stale=True) == []
    set_presets(**{**PRESETS, "small": {"width": 90}})
    assert chosen(stale=True) == images[:2]  # the third has no renditions, so none is stale
    assert chosen(stale=True, preset=preset_named("thumb")) == []
    assert chosen(stale=True, preset=preset_named("small"), limit=1) == images[:1]


def test_todo_contains_missing_renditions_and_all_with_force(images: list[Upload]) -> None:
    original = images[0].original
    assert len(selection.todo(original, conf.presets(), force=False)) == 4
    completion.run_here(images[0])
    original = Original.objects.get(pk=original.pk)
    assert selection.todo(original, conf.presets(), force=False) == []
    assert len(selection.todo(original, conf.presets(), force=True)) == 4
    forced = selection.todo(original, [preset_named("thumb")], force=True)
    assert {(recipe.preset.name, recipe.format) for recipe in forced} == {
        ("thumb", "webp"),
        ("thumb", "jpeg"),
    }


def test_estimate_uses_stored_sizes_and_earlier_steps(images: list[Upload]) -> None:
    completion.run_here(images[0])
    completion.run_here(images[1])
    for name, preset in ((Step.Name.GENERATE_THUMBNAILS, "thumb"), (Step.Name.RESIZE_IMAGE, "small")):
        note_time(name, preset, seconds=4)
    result = selection.estimate(uploads=chosen(everything=True), presets=conf.presets(), force=False)
    sizes = Rendition.objects.values_list("byte_size", flat=True)
    assert (result.uploads, result.renditions) == (3, 4)
    assert result.bytes == pytest.approx(sum(sizes) / 2, abs=1)
    assert result.seconds == 8.0  # two steps of four seconds render the four renditions of an upload


def test_estimate_ignores_steps_that_rendered_nothing(images: list[Upload]) -> None:
    completion.run_here(images[0])
    note_time(Step.Name.GENERATE_THUMBNAILS, "thumb", seconds=4)
    Rendition.objects.filter(preset="small").update(rendered_at=timezone.now() - timedelta(days=1))
    result = selection.estimate(uploads=images[1:2], presets=conf.presets(), force=False)
    assert (result.renditions, result.seconds) == (4, 8.0)  # two renditions in four seconds


def note_time(name: Step.Name, preset: str, *, seconds: int) -> None:
    """Set the duration of the step that renders a preset, at a different time for each step."""
    started_at = timezone.now() + timedelta(hours=list(Step.Name).index(name))
    Step.objects.filter(name=name).update(
        started_at=started_at, finished_at=started_at + timedelta(seconds=seconds)
    )
    Rendition.objects.filter(preset=preset).update(rendered_at=started_at + timedelta(seconds=1))


def test_estimate_without_data_is_unknown(images: list[Upload]) -> None:
    result = selection.estimate(uploads=images, presets=conf.presets(), force=False)
    assert (result.uploads, result.renditions, result.bytes, result.seconds) == (3, 12, None, None)


def test_estimate_of_nothing_is_zero(images: list[Upload]) -> None:
    completion.run_here(images[0])
    result = selection.estimate(uploads=[images[0]], presets=conf.presets(), force=False)
    assert (result.uploads, result.renditions, result.bytes, result.seconds) == (1, 0, 0, 0.0)


def test_shared_original_is_counted_once(send: Send, make_image: MakeImage, stranger: User) -> None:
    data = make_image(width=150, height=120)
    uploads = [send(data), send(data, by=stranger)]
    result = selection.estimate(uploads=uploads, presets=conf.presets(), force=True)
    assert (result.uploads, result.renditions) == (2, 4)
