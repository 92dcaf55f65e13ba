"""A replaced file: the upload stays, its pictures change, and the former URLs end after a grace period."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from processing import originals, steps
from processing.errors import Refusal
from processing.models import Focus, Original, PendingFile
from processing.storages.media import StorageUnavailable
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows, remove_garbage, stored_keys
from tests.threads import at_once, run_at_once
from uploads import completion, pipeline, services
from uploads.completion import complete
from uploads.models import Delivery, Event, FormerFile, Quota, Reservation, Upload
from uploads.receiving.quotas import QuotaExceeded, usage_of
from uploads.services import AlreadyUploaded, FileChanged, TakenDown
from uploads.serving import links, private_links
from uploads.signals import upload_replaced
from uploads.upkeep.collector import collect

NEW = 9


@pytest.fixture
def new(make_image: MakeImage) -> bytes:
    """Return the bytes of another picture than that of `send()`."""
    return make_image(width=500, height=500, seed=NEW)


@pytest.fixture
def ready(send: Send) -> Upload:
    """Return an upload that is ready."""
    return run(send())


def run(upload: Upload) -> Upload:
    upload.refresh_from_db()
    completion.run_here(upload)
    return Upload.objects.shown().get(pk=upload.pk)


def permanent_urls(upload: Upload) -> list[str]:
    shown = Upload.objects.shown().get(pk=upload.pk)
    return [links.rendition_path(shown, row) for row in shown.shown_renditions()]


def names(upload: Upload) -> list[str]:
    return [event.name.partition(".")[2] for event in upload.events.order_by("pk")]


def end_grace() -> None:
    """Let the grace period of all replaced files end, and collect."""
    FormerFile.objects.update(expires_at=timezone.now())
    Original.objects.update(created_at=timezone.now() - timedelta(hours=1))
    collect()


@pytest.mark.django_db
@pytest.mark.any_database
class TestReplace:
    def test_upload_stays_and_its_picture_changes(
        self, ready: Upload, new: bytes, make_file: MakeFile, started: list[Upload]
    ) -> None:
        former = ready.original
        received = services.replace_file(upload=ready, file=make_file(new, name="sea.png"))
        assert received is not None
        assert not received.duplicate
        row = Upload.objects.shown().get()
        assert (row.pk, row.filename, row.status) == (ready.pk, "sea.png", "pending")
        assert (row.original.width, row.version, row.replaced_at is None) == (500, 1, False)
        assert (row.created_at, row.ready_at, row.thumbnails_ready_at) == (ready.created_at, None, None)
        assert (row.steps.count(), row.shown_renditions()) == (0, [])
        assert former.former_files.get().upload == row
        assert_storage_matches_rows()

    def test_chain_is_started_on_commit(
        self, ready: Upload, new: bytes, make_file: MakeFile, started: list[Upload],
        django_capture_on_commit_callbacks: Any,
    ) -> None:  # fmt: skip
        with django_capture_on_commit_callbacks(execute=False):
            services.replace_file(upload=ready, file=make_file(new))
            assert started == []
        with django_capture_on_commit_callbacks(execute=True):
            services.replace_file(upload=ready, file=make_file(new + b"\0"))
        assert started == [ready]

    def test_events_of_each_file_are_announced(self, ready: Upload, new: bytes, make_file: MakeFile) -> None:
        services.replace_file(upload=ready, file=make_file(new))
        run(ready)
        assert names(ready) == [
            "received",
            "thumbnails_ready",
            "ready",
            "replaced",
            "thumbnails_ready",
            "ready",
        ]
        assert Delivery.objects.filter(channel="in_app").count() == 2

    def test_same_file_again_changes_nothing(
        self, ready: Upload, make_image: MakeImage, make_file: MakeFile, started: list[Upload]
    ) -> None:
        received = services.replace_file(upload=ready, file=make_file(make_image()), expected=["f" * 64])
        assert received is not None
        assert received.duplicate
        assert names(ready) == ["received", "thumbnails_ready", "ready"]
        assert (Upload.objects.get().version, FormerFile.objects.count(), started) == (0, 0, [])

    def test_same_file_heals_a_lost_original(
        self, ready: Upload, make_image: MakeImage, make_file: MakeFile
    ) -> None:
        services.lose(ready.original)
        default_storage.delete(f"originals/{ready.original.content_hash[:2]}/{ready.original.content_hash}")
        ready.refresh_from_db()
        services.replace_file(upload=ready, file=make_file(make_image()))
        assert run(ready).status == "ready"
        assert_storage_matches_rows()

    def test_focal_point_is_automatic_again(self, ready: Upload, new: bytes, make_file: MakeFile) -> None:
        services.set_focus(upload=ready, point=(0.1, 0.2))
        services.replace_file(upload=ready, file=make_file(new))
        assert Upload.objects.get().focus is None
        assert Focus.objects.get().former_files.count() == 1
        end_grace()
        assert not Focus.objects.exists()

    def test_private_links_go_on(
        self, ready: Upload, new: bytes, make_file: MakeFile, client: Client
    ) -> None:
        services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
        token = private_links.make(upload=ready).token
        services.replace_file(upload=ready, file=make_file(new))
        run(ready)
        assert client.get(f"/i/{ready.pk}/large", {"link": token}).status_code == 200
        assert client.get(f"/i/{ready.pk}/large").status_code == 404

    def test_failed_upload_is_processed_again(self, send: Send, new: bytes, make_file: MakeFile) -> None:
        upload = send()
        completion.fail(upload, originals.lost())
        services.replace_file(upload=upload, file=make_file(new))
        after = run(upload)
        assert (after.status, after.error_code) == ("ready", "")
        assert names(upload) == ["received", "failed", "replaced", "thumbnails_ready", "ready"]

    def test_original_of_another_owner_is_shared_without_showing(
        self, ready: Upload, send: Send, stranger: User, new: bytes, make_file: MakeFile
    ) -> None:
        other = run(send(new, by=stranger))
        services.replace_file(upload=ready, file=make_file(new))
        row = Upload.objects.shown().get(pk=ready.pk)
        assert row.original == other.original
        assert row.shown_renditions() == []

    def test_signal_is_sent(self, ready: Upload, new: bytes, make_file: MakeFile) -> None:
        seen = []

        def note(upload: Upload, **kwargs: Any) -> None:
            seen.append(upload.pk)

        upload_replaced.connect(note)
        try:
            services.replace_file(upload=ready, file=make_file(new))
        finally:
            upload_replaced.disconnect(note)
        assert seen == [ready.pk]


@pytest.mark.django_db
class TestAddresses:
    def test_permanent_urls_change_and_the_former_end_after_the_grace_period(
        self, ready: Upload, new: bytes, make_file: MakeFile, client: Client
    ) -> None:
        former = permanent_urls(ready)
        services.replace_file(upload=ready, file=make_file(new))
        run(ready)
        current = permanent_urls(ready)
        assert len(former) == 10
        assert not set(former) & set(current)
        assert {client.get(url).status_code for url in [*former, *current]} == {200}
        end_grace()
        assert {client.get(url).status_code for url in former} == {404}
        assert {client.get(url).status_code for url in current} == {200}
        assert (Original.objects.count(), FormerFile.objects.count()) == (1, 0)
        assert_storage_matches_rows()

    def test_former_urls_end_on_time_without_the_collector(
        self, ready: Upload, new: bytes, make_file: MakeFile, client: Client
    ) -> None:
        url = permanent_urls(ready)[0]
        services.replace_file(upload=ready, file=make_file(new))
        assert FormerFile.objects.get().expires_at > timezone.now() + timedelta(hours=23)
        FormerFile.objects.update(expires_at=timezone.now())
        assert client.get(url).status_code == 404

    def test_collector_keeps_a_file_in_its_grace_period(
        self, ready: Upload, new: bytes, make_file: MakeFile
    ) -> None:
        services.replace_file(upload=ready, file=make_file(new))
        Original.objects.update(created_at=timezone.now() - timedelta(days=9))
        assert collect() == 0
        assert Original.objects.count() == 2
        assert_storage_matches_rows()

    def test_former_urls_of_a_private_upload_stay_private(
        self, ready: Upload, new: bytes, make_file: MakeFile, client: Client
    ) -> None:
        url = permanent_urls(ready)[0]
        services.replace_file(upload=ready, file=make_file(new))
        services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
        assert client.get(url).status_code == 404

    def test_former_urls_end_with_their_upload(
        self, ready: Upload, new: bytes, make_file: MakeFile, client: Client
    ) -> None:
        url = permanent_urls(ready)[0]
        services.replace_file(upload=ready, file=make_file(new))
        services.delete_upload(upload=ready)
        assert client.get(url).status_code == 404
        assert services.purge_upload(owner=ready.owner, upload_id=ready.pk)
        assert not FormerFile.objects.exists()

    def test_returning_to_the_former_file_leaves_it_in_use(
        self, ready: Upload, new: bytes, make_file: MakeFile, make_image: MakeImage, client: Client
    ) -> None:
        urls = permanent_urls(ready)
        services.replace_file(upload=ready, file=make_file(new))
        ready.refresh_from_db()
        services.replace_file(upload=ready, file=make_file(make_image()))
        run(ready)
        end_grace()
        assert {client.get(url).status_code for url in urls} == {200}
        assert_storage_matches_rows()

    def test_number_of_former_files_is_limited(
        self, ready: Upload, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        kept = []
        for seed in range(1, 6):
            ready.refresh_from_db()
            kept.append(ready.original)
            services.replace_file(upload=ready, file=make_file(make_image(seed=seed)))
        assert {row.original for row in FormerFile.objects.all()} == set(kept[-3:])


@pytest.mark.django_db
@pytest.mark.any_database
class TestRefuse:
    def test_file_of_another_own_upload_is_refused(
        self, ready: Upload, send: Send, new: bytes, make_file: MakeFile
    ) -> None:
        other = send(new, name="sea.jpg")
        with pytest.raises(AlreadyUploaded) as caught:
            services.replace_file(upload=ready, file=make_file(new))
        assert caught.value.members == {"upload": str(other.pk)}
        assert "sea.jpg" in str(caught.value)
        assert Upload.objects.get(pk=ready.pk).original == ready.original
        assert usage_of(ready.owner).images == 2
        assert_storage_matches_rows()

    def test_file_of_a_deleted_upload_is_accepted(
        self, ready: Upload, send: Send, new: bytes, make_file: MakeFile
    ) -> None:
        services.delete_upload(upload=send(new))
        assert services.replace_file(upload=ready, file=make_file(new))

    def test_changed_file_is_not_replaced(self, ready: Upload, new: bytes, make_file: MakeFile) -> None:
        with pytest.raises(FileChanged):
            services.replace_file(upload=ready, file=make_file(new), expected=["0" * 64])
        assert services.replace_file(
            upload=ready, file=make_file(new), expected=[ready.original.content_hash]
        )

    def test_takedown_cannot_be_replaced(self, ready: Upload, new: bytes, make_file: MakeFile) -> None:
        services.take_down(upload=ready, reason="No")
        with pytest.raises(TakenDown):
            services.replace_file(upload=ready, file=make_file(new))

    def test_bytes_that_were_taken_down_stay_down(
        self, ready: Upload, send: Send, new: bytes, make_file: MakeFile
    ) -> None:
        down = send(new)
        services.take_down(upload=down, reason="No")
        services.delete_upload(upload=down)
        services.replace_file(upload=ready, file=make_file(new))
        assert Upload.objects.get(pk=ready.pk).takedown_reason == "No"

    @pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"\xff\xd8\xff\xe0"])
    def test_file_that_is_no_image_is_refused(self, ready: Upload, make_file: MakeFile, data: bytes) -> None:
        before = stored_keys()
        with pytest.raises(Refusal):
            services.replace_file(upload=ready, file=make_file(data))
        assert stored_keys() == before

    def test_deleted_upload_is_not_replaced(self, ready: Upload, new: bytes, make_file: MakeFile) -> None:
        services.delete_upload(upload=ready)
        assert services.replace_file(upload=ready, file=make_file(new)) is None
        end_grace()
        assert Original.objects.get() == ready.original

    def test_refused_file_leaves_nothing(
        self, ready: Upload, new: bytes, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unavailable(**kwargs: Any) -> None:
            raise StorageUnavailable("no")

        before = stored_keys()
        monkeypatch.setattr(originals, "claim", unavailable)
        with pytest.raises(StorageUnavailable):
            services.replace_file(upload=ready, file=make_file(new))
        remove_garbage()
        assert stored_keys() == before
        assert not Reservation.objects.exists()


@pytest.mark.django_db
@pytest.mark.any_database
class TestQuota:
    def test_difference_is_charged(
        self, ready: Upload, owner: User, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for data in (make_image(width=900, seed=1), make_image(width=90, seed=2)):
            ready.refresh_from_db()
            services.replace_file(upload=ready, file=make_file(data))
            assert (usage_of(owner).images, usage_of(owner).bytes) == (1, len(data))
            row = Quota.objects.get()
            assert row.bytes == row.count().bytes
        assert not Reservation.objects.exists()

    def test_file_that_grows_beyond_the_quota_is_refused(
        self, ready: Upload, owner: User, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        size = ready.original.byte_size
        Quota.objects.update(max_images=1, max_bytes=size)
        with pytest.raises(QuotaExceeded):
            services.replace_file(upload=ready, file=make_file(make_image(width=900)))
        assert (usage_of(owner).bytes, Upload.objects.get().version) == (size, 0)
        assert services.replace_file(upload=ready, file=make_file(make_image(width=90)))


@pytest.mark.django_db
@pytest.mark.any_database
class TestSteps:
    def test_steps_of_the_former_file_do_not_make_the_upload_ready(
        self, send: Send, new: bytes, make_file: MakeFile
    ) -> None:
        upload = send()
        former = upload.original.content_hash
        steps.run(step="generate_thumbnails", content_hash=former)
        services.replace_file(upload=upload, file=make_file(new))
        steps.run(step="resize_image", content_hash=former)
        assert not complete(upload.pk)
        upload.refresh_from_db()
        assert (upload.status, upload.thumbnails_ready_at, upload.steps.count()) == ("pending", None, 0)
        assert run(upload).status == "ready"
        assert names(upload) == ["received", "thumbnails_ready", "replaced", "thumbnails_ready", "ready"]

    def test_loss_of_the_former_file_does_not_fail_the_upload(
        self, ready: Upload, new: bytes, make_file: MakeFile
    ) -> None:
        former = ready.original
        services.replace_file(upload=ready, file=make_file(new))
        services.lose(former)
        assert Upload.objects.get().status == "pending"

    def test_message_is_not_published_for_the_former_file(
        self, send: Send, new: bytes, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published: list[Any] = []

        def publish(chain: Any) -> bool:
            published.append(chain)
            return True

        monkeypatch.setattr(pipeline, "publish", publish)
        upload = send()
        seen = Upload.objects.select_related("original").get()
        services.replace_file(upload=upload, file=make_file(new))
        assert pipeline.restart(seen)
        assert published == []
        assert Upload.objects.get().queued_at is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("started")
class TestRaces:
    def test_file_replaced_at_the_same_time_is_one_of_both(
        self, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(0, 15, 3):
            upload = send(make_image(seed=seed))
            files = [make_file(make_image(seed=seed + more)) for more in (1, 2)]
            at_once(*[partial(services.replace_file, upload=upload, file=file) for file in files])
            row = Upload.objects.select_related("original").get(pk=upload.pk)
            assert row.version == 2
            assert row.original.content_hash in {file.content_hash for file in files}
            assert row.former_files.count() == 2
            assert row.events.filter(name=Event.Name.REPLACED).count() == 2
            counted = Quota.objects.get()
            assert counted.bytes == counted.count().bytes
            assert_storage_matches_rows()

    def test_same_file_at_the_same_time_replaces_once(
        self, send: Send, new: bytes, make_file: MakeFile
    ) -> None:
        upload = send()
        received = at_once(
            *[partial(services.replace_file, upload=upload, file=make_file(new)) for _ in range(4)]
        )
        assert sorted(one.duplicate for one in received if one) == [False, True, True, True]
        assert Upload.objects.get().version == 1
        assert upload.events.filter(name=Event.Name.REPLACED).count() == 1

    def test_two_uploads_that_swap_their_files_do_not_lock_each_other_out(
        self, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(0, 10, 2):
            data = [make_image(seed=seed), make_image(seed=seed + 1)]
            uploads = [send(one) for one in data]
            outcomes = run_at_once(
                partial(services.replace_file, upload=uploads[0], file=make_file(data[1])),
                partial(services.replace_file, upload=uploads[1], file=make_file(data[0])),
            )
            assert [type(outcome) for outcome in outcomes] == [AlreadyUploaded] * 2

    def test_one_new_file_for_two_uploads_goes_to_one(
        self, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(0, 15, 3):
            uploads = [send(make_image(seed=seed)), send(make_image(seed=seed + 1))]
            data = make_image(seed=seed + 2)
            outcomes = run_at_once(
                *[partial(services.replace_file, upload=one, file=make_file(data)) for one in uploads]
            )
            assert sorted(str(type(outcome).__name__) for outcome in outcomes) == [
                "AlreadyUploaded",
                "NoneType",
            ]
            assert_storage_matches_rows()

    def test_upload_deleted_meanwhile_is_deleted(
        self, owner: User, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(0, 10, 2):
            upload = send(make_image(seed=seed))
            file = make_file(make_image(seed=seed + 1))
            at_once(
                partial(services.replace_file, upload=upload, file=file),
                partial(services.delete_upload, upload=upload),
            )
            row = Upload.objects.get(pk=upload.pk)
            assert row.deleted_at is not None
            assert row.version in {0, 1}

    @pytest.mark.slow
    def test_file_replaced_during_its_steps_is_processed_completely(
        self, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(0, 8, 2):
            upload = Upload.objects.select_related("original").get(pk=send(make_image(seed=seed)).pk)
            file = make_file(make_image(seed=seed + 1))
            run_at_once(
                partial(completion.run_here, upload),
                partial(services.replace_file, upload=upload, file=file),
            )
            row = Upload.objects.select_related("original").get(pk=upload.pk)
            assert (row.original.content_hash, row.status) == (file.content_hash, "pending")
            assert run(row).status == "ready"
            assert_storage_matches_rows()

    def test_file_replaced_while_its_original_is_collected_is_whole(
        self, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(0, 10, 2):
            data = make_image(seed=seed + 1)
            services.purge_upload(owner=(gone := send(data)).owner, upload_id=gone.pk)
            Original.objects.update(created_at=timezone.now() - timedelta(hours=1))
            upload = send(make_image(seed=seed))
            at_once(partial(services.replace_file, upload=upload, file=make_file(data)), collect)
            assert_storage_matches_rows()
            assert not PendingFile.objects.filter(key__endswith=gone.original.content_hash).exists()
