"""Focal points that people set: once, twice and concurrently."""

from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ProtectedError
from pytest_django import Settings

from processing import steps
from processing.conf import darkroom
from processing.models import Focus, Original, Rendition
from tests.conftest import MakeImage, Send, assert_storage_matches_rows
from tests.threads import at_once
from uploads import completion, pipeline, services
from uploads.models import Upload
from uploads.upkeep import collector

LEFT, RIGHT = (0.1, 0.5), (0.9, 0.5)


def look_at(upload: Upload, point: tuple[float, float] | None) -> Upload:
    """Set a focal point, and run the chain."""
    services.set_focus(upload=upload, point=point)
    completion.run_here(upload)
    upload.refresh_from_db()
    return upload


def points() -> list[str]:
    return sorted(Focus.objects.values_list("point", flat=True))


def focused() -> set[tuple[str, str]]:
    return set(Rendition.objects.exclude(focus="").values_list("preset", "focus"))


@pytest.fixture
def ready(send: Send) -> Upload:
    return look_at(send(), None)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("started")
class TestChoose:
    def test_thumbnails_are_rendered_around_the_focal_point(self, ready: Upload) -> None:
        look_at(ready, LEFT)
        assert (ready.status, ready.point) == ("ready", "100.500")
        assert focused() == {("thumb", "100.500")}
        assert {row.focus for row in ready.shown_renditions() if row.preset == "thumb"} == {"100.500"}
        assert Rendition.objects.filter(focus="").count() == 10
        assert_storage_matches_rows()

    def test_new_focal_point_replaces_the_old_one(self, ready: Upload) -> None:
        look_at(look_at(ready, LEFT), RIGHT)
        assert points() == ["900.500"]
        assert focused() == {("thumb", "900.500")}
        assert_storage_matches_rows()

    def test_reset_restores_the_automatic_crop(self, ready: Upload) -> None:
        look_at(look_at(ready, LEFT), None)
        assert (ready.status, ready.point) == ("ready", "")
        assert points() == []
        assert focused() == set()
        assert_storage_matches_rows()

    def test_old_renditions_stay_until_their_step_has_run(self, ready: Upload, settings: Settings) -> None:
        square = {"width": 300, "height": 300, "mode": "fill"}
        presets = {**darkroom().presets, "square": square}
        settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}
        look_at(ready, LEFT)
        services.set_focus(upload=ready, point=RIGHT)
        assert focused() == {("thumb", "100.500"), ("square", "100.500")}
        steps.run(step="generate_thumbnails", content_hash=ready.original.content_hash)
        assert focused() == {("thumb", "900.500"), ("square", "100.500")}
        steps.run(step="resize_image", content_hash=ready.original.content_hash)
        assert focused() == {("thumb", "900.500"), ("square", "900.500")}

    def test_sizes_wait_for_the_thumbnails_of_a_new_focal_point(self, ready: Upload) -> None:
        services.set_focus(upload=ready, point=LEFT)
        # A step that began before the point was set reports its end.
        with transaction.atomic():
            completion.on_step_finished(content_hash=ready.original.content_hash, step=pipeline.THUMBNAILS)
        ready.refresh_from_db()
        assert (ready.next_step, ready.queued_at) == (pipeline.THUMBNAILS, None)
        steps.run(step="generate_thumbnails", content_hash=ready.original.content_hash)
        ready.refresh_from_db()
        assert ready.next_step == pipeline.SIZES

    def test_two_owners_have_separate_focal_points_on_one_original(
        self, ready: Upload, send: Send, stranger: User
    ) -> None:
        look_at(ready, LEFT)
        other = send(by=stranger)
        completion.run_here(other)
        other.refresh_from_db()
        assert {row.focus for row in other.shown_renditions()} == {""}
        look_at(other, RIGHT)
        ready = Upload.objects.get(pk=ready.pk)
        for upload, focus in ((ready, "100.500"), (other, "900.500")):
            shown = [row.focus for row in upload.shown_renditions() if row.preset == "thumb"]
            assert shown == [focus] * 2
        look_at(other, LEFT)
        assert points() == ["100.500"]
        look_at(ready, None)
        assert points() == ["100.500"]
        assert focused() == {("thumb", "100.500")}
        assert_storage_matches_rows()

    def test_focal_point_in_use_cannot_be_deleted(self, ready: Upload) -> None:
        look_at(ready, LEFT)
        with pytest.raises(ProtectedError):
            Focus.objects.get().delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("started")
class TestDrop:
    def test_unused_focal_point_is_deleted_with_its_files(
        self, ready: Upload, send: Send, stranger: User
    ) -> None:
        other = look_at(send(by=stranger), None)
        look_at(ready, LEFT)
        services.delete_upload(upload=ready)
        collector._drop_focuses()
        # The upload may still be restored.
        assert (points(), focused()) == (["100.500"], {("thumb", "100.500")})
        ready.delete()
        collector._drop_focuses()
        assert (points(), focused()) == ([], set())
        assert Original.objects.get().pk == other.original_id
        assert_storage_matches_rows()

    def test_renditions_without_a_focal_point_are_deleted(self, ready: Upload) -> None:
        look_at(ready, LEFT)
        Upload.objects.update(focus=None)
        Focus.objects.all().delete()
        collector._drop_focuses()
        assert focused() == set()
        assert Rendition.objects.count() == 10
        assert_storage_matches_rows()

    def test_nothing_is_deleted_while_an_upload_is_unfinished(self, ready: Upload) -> None:
        look_at(ready, LEFT)
        services.set_focus(upload=ready, point=RIGHT)
        collector._drop_focuses()
        assert focused() == {("thumb", "100.500")}

    def test_focal_point_in_use_is_kept(self, ready: Upload) -> None:
        look_at(ready, LEFT)
        before = list(Rendition.objects.order_by("pk").values_list())
        collector._drop_focuses()
        assert list(Rendition.objects.order_by("pk").values_list()) == before
        assert_storage_matches_rows()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("started")
class TestRaces:
    def test_two_owners_set_focal_points_concurrently(
        self, ready: Upload, send: Send, stranger: User
    ) -> None:
        other = look_at(send(by=stranger), None)
        for first, second in ((LEFT, LEFT), (RIGHT, LEFT), (None, RIGHT), (LEFT, None)):
            at_once(
                partial(services.set_focus, upload=ready, point=first),
                partial(services.set_focus, upload=other, point=second),
            )
            for upload in (ready, other):
                upload.refresh_from_db()
                completion.run_here(upload)
                upload.refresh_from_db()
            assert {ready.point, other.point} - {""} == set(points())
            assert {focus for _, focus in focused()} == set(points())
            assert (ready.status, other.status) == ("ready", "ready")
        assert_storage_matches_rows()

    def test_one_owner_sets_focal_points_concurrently(self, ready: Upload) -> None:
        at_once(*[partial(services.set_focus, upload=ready, point=point) for point in (LEFT, RIGHT, LEFT)])
        ready.refresh_from_db()
        assert points() == [ready.point]
        completion.run_here(ready)
        ready.refresh_from_db()
        assert ready.status == "ready"
        assert focused() == {("thumb", ready.point)}
        assert_storage_matches_rows()

    @pytest.mark.slow
    def test_focal_point_is_set_while_it_is_deleted(
        self, ready: Upload, send: Send, stranger: User, make_image: MakeImage
    ) -> None:
        other = look_at(send(by=stranger), None)
        for _ in range(5):
            look_at(other, RIGHT)
            # This is the state after a process was killed before the steps.
            with transaction.atomic():
                Upload.objects.filter(pk=other.pk).update(focus=None)
            at_once(collector._drop_focuses, partial(services.set_focus, upload=ready, point=RIGHT))
            completion.run_here(ready)
            ready.refresh_from_db()
            assert (ready.status, points(), focused()) == ("ready", ["900.500"], {("thumb", "900.500")})
            assert_storage_matches_rows()
            look_at(ready, None)
