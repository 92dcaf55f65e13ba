"""Uploads of fields are removed when no row refers to them, and only then."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, connections, models, router, transaction
from django.test.utils import isolate_apps
from django.utils import timezone

from processing import clock
from processing.garbage import generations
from tests.articles.models import Article, Portrait
from tests.conftest import MakeFile, MakeImage, Send
from tests.threads import run_at_once
from uploads import services
from uploads.fields import PictureField
from uploads.fields.picture import PictureGone
from uploads.models import Event, PrivateLink, Quota, Upload
from uploads.serving import private_links
from uploads.upkeep import recurring, unused
from uploads.upkeep.unused import references, remove_unused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started")]

GRACE = timedelta(days=7)


class Nights:
    """The clock of a test, which goes on from night to night."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = timezone.now()
        monkeypatch.setattr(clock, "now", lambda: self._now)

    def pass_by(self, time: timedelta = GRACE + timedelta(hours=1)) -> None:
        """Run the task, let the time pass, and run it again."""
        remove_unused()
        self._now += time
        remove_unused()


@pytest.fixture
def nights(monkeypatch: pytest.MonkeyPatch) -> Nights:
    return Nights(monkeypatch)


@pytest.fixture
def article(owner: User, make_image: MakeImage) -> Article:
    article = Article(title="Sea", photo=make_image())
    article.photo_owner = owner  # type: ignore[attr-defined]
    article.save()
    return article


@pytest.fixture
def upload(article: Article) -> Upload:
    """Return the upload of a field, to which no row refers."""
    upload: Upload = article.photo
    article.photo = None
    article.save()
    return upload


def test_unused_upload_is_removed_after_the_grace(upload: Upload, owner: User, nights: Nights) -> None:
    nights.pass_by()
    assert not Upload.objects.exists()
    assert Event.objects.filter(name=Event.Name.DELETED, upload=None).exists()
    assert Quota.objects.get(owner=owner).images == 0


def test_upload_whose_row_was_never_saved_is_removed(
    owner: User, make_image: MakeImage, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    # It runs after the field has stored the picture.
    monkeypatch.setattr(PictureField, "_describe", die)
    with pytest.raises(KeyboardInterrupt):
        Portrait(person=owner, picture=make_image()).save()
    assert Upload.objects.live().exists()
    nights.pass_by()
    assert not Upload.objects.exists()


def test_removed_upload_is_not_removed_again(upload: Upload, nights: Nights) -> None:
    nights.pass_by()
    assert services.purge_unused(upload_id=upload.pk, unused=Upload.objects.all()) is False


def test_upload_that_was_unused_for_less_time_stays(upload: Upload, nights: Nights) -> None:
    nights.pass_by(GRACE - timedelta(hours=1))
    assert Upload.objects.live().get() == upload


def test_grace_begins_when_the_upload_is_first_unused(article: Article, nights: Nights) -> None:
    nights.pass_by()
    Article.objects.update(photo=None)
    nights.pass_by(GRACE - timedelta(hours=1))
    assert Upload.objects.live().exists()


def test_upload_in_use_stays(article: Article, nights: Nights) -> None:
    nights.pass_by()
    assert Article.objects.get().photo == Upload.objects.live().get()


def test_grace_begins_again_after_another_use(upload: Upload, nights: Nights) -> None:
    nights.pass_by(GRACE - timedelta(hours=1))
    article = Article.objects.create(title="Sea", photo=upload)
    Article.objects.all().delete()
    nights.pass_by(GRACE - timedelta(hours=1))
    assert Upload.objects.live().exists()
    assert article.photo == upload


def test_use_without_an_assignment_counts_too(upload: Upload, nights: Nights) -> None:
    remove_unused()
    Article.objects.update(photo=upload.pk)
    nights.pass_by()
    assert Upload.objects.live().get().unused_since is None


@pytest.mark.parametrize("model", [Article, Portrait])
def test_rows_of_every_model_count(
    upload: Upload, owner: User, nights: Nights, model: type[models.Model]
) -> None:
    if model is Article:
        Article.objects.create(title="Shore", photo=upload)
    else:
        Portrait.objects.create(person=owner, picture=upload)
    nights.pass_by()
    assert Upload.objects.live().exists()


def test_references_are_the_fields_of_other_apps() -> None:
    found = {str(field) for field in references()}
    assert {"articles.Article.photo", "articles.Portrait.picture"} <= found
    assert not [name for name in found if name.startswith("uploads.")]


def test_upload_that_was_sent_in_another_way_stays(send: Send, nights: Nights) -> None:
    Article.objects.create(title="Sea", photo=send())
    Article.objects.all().delete()
    nights.pass_by()
    assert Upload.objects.live().exists()


def test_upload_that_is_sent_again_in_another_way_stays(
    upload: Upload, send: Send, make_image: MakeImage, nights: Nights
) -> None:
    assert send(make_image()) == upload
    nights.pass_by()
    assert Upload.objects.live().exists()


def test_upload_with_a_private_link_stays(upload: Upload, nights: Nights) -> None:
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    private_links.make(upload=upload, expires_at=clock.now() + timedelta(days=300))
    nights.pass_by()
    assert Upload.objects.live().exists()
    PrivateLink.objects.all().delete()
    nights.pass_by()
    assert not Upload.objects.exists()


def test_upload_that_is_taken_down_stays(upload: Upload, nights: Nights) -> None:
    services.take_down(upload=upload, reason="It is not theirs.")
    nights.pass_by()
    assert Upload.objects.live().exists()


def test_grace_of_zero_keeps_everything(upload: Upload, nights: Nights, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UNUSED_GRACE": 0}
    nights.pass_by(timedelta(days=1000))
    assert Upload.objects.live().exists()


def test_many_uploads_are_removed_in_batches(
    owner: User, make_image: MakeImage, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unused, "_BATCH", 2)
    for seed in range(5):
        Portrait.objects.create(person=owner, picture=make_image(seed=seed))
    kept = Portrait.objects.first()
    assert kept is not None
    Portrait.objects.exclude(pk=kept.pk).delete()
    nights.pass_by()
    assert Upload.objects.get() == kept.picture


def test_task_goes_on_until_it_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [False, True]
    published: list[str] = []
    monkeypatch.setattr(unused, "remove_unused", lambda: answers.pop(0))
    monkeypatch.setattr(recurring, "publish", lambda message: published.append(message.task))
    recurring.remove_unused()
    recurring.remove_unused()
    assert published == ["uploads.recurring.remove_unused"]


@pytest.fixture
def missing_table() -> Iterator[None]:
    """Install a model with a picture whose table does not exist."""
    with isolate_apps("tests.articles"):

        class Missing(models.Model):
            photo = PictureField(to=Upload, null=True, db_constraint=False)

            class Meta:
                app_label = "articles"

            def __str__(self) -> str:
                return "missing"

        found = [Missing]
    with pytest.MonkeyPatch.context() as patch:
        installed = list(apps.get_models(include_auto_created=True))
        patch.setattr(apps, "get_models", lambda **_options: [*installed, *found])
        yield
    # The models have noted the relation to the missing one.
    apps.clear_cache()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("missing_table")
def test_missing_table_keeps_everything(
    upload: Upload, nights: Nights, caplog: pytest.LogCaptureFixture
) -> None:
    nights.pass_by()
    assert Upload.objects.live().get().unused_since is None
    assert "No unused upload is removed: " in caplog.text
    assert "articles_missing" in caplog.text


def test_model_of_another_database_keeps_everything(
    upload: Upload, nights: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    remove_unused()
    monkeypatch.setattr(
        router, "db_for_write", lambda model, **_hints: "archive" if model is Article else "default"
    )
    nights.pass_by()
    assert Upload.objects.live().exists()
    assert "another database" in caplog.text


def test_database_that_differs_from_its_storage_keeps_everything(
    upload: Upload, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_unused()
    monkeypatch.setattr(generations, "agrees", lambda: False)
    nights.pass_by()
    assert Upload.objects.live().exists()


def test_error_in_the_middle_keeps_everything(
    upload: Upload, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_arguments: object) -> None:
        raise DatabaseError("The connection is lost.")

    monkeypatch.setattr(services, "purge_unused", fail)
    nights.pass_by()
    assert Upload.objects.live().exists()


@pytest.fixture
def unknown_table(transactional_db: None) -> Iterator[str]:
    """Create a table that refers to uploads, and to which no installed model belongs."""
    kind = Upload._meta.pk.db_type(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE former (photo {kind} REFERENCES uploads_upload (id))")
        yield "former"
        cursor.execute("DROP TABLE former")


def test_row_of_a_model_that_is_not_installed_keeps_its_upload(
    unknown_table: str, upload: Upload, nights: Nights
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {unknown_table} SELECT id FROM uploads_upload")
    nights.pass_by()
    assert Upload.objects.live().get() == upload


def remove_and_close() -> bool:
    try:
        return remove_unused()
    finally:
        connections.close_all()


def wait_for_lock() -> None:
    """Wait until a connection waits for a lock."""
    ends_at = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < ends_at:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    pytest.fail("No connection waits for a lock.")


class TestRace:
    """A row is saved with an upload at the moment at which it is removed."""

    @pytest.fixture
    def due(self, upload: Upload) -> Upload:
        remove_unused()
        Upload.objects.update(unused_since=timezone.now() - 2 * GRACE)
        return upload

    @pytest.mark.slow
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("attempt", range(5))
    def test_the_row_has_its_picture_or_is_refused(self, due: Upload, attempt: int) -> None:
        def save() -> None:
            Article(title="Shore", photo=Upload.objects.get(pk=due.pk)).save()

        errors = run_at_once(save, remove_unused)
        assert errors[1] is None
        shore = Article.objects.filter(title="Shore").first()
        if shore is None:
            assert isinstance(errors[0], PictureGone | Upload.DoesNotExist)
        else:
            assert shore.photo == Upload.objects.live().get()

    @pytest.mark.slow
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("attempt", range(5))
    def test_the_same_bytes_are_received_anew(
        self, due: Upload, owner: User, make_image: MakeImage, attempt: int
    ) -> None:
        def save() -> None:
            article = Article(title="Shore", photo=make_image())
            article.photo_owner = owner  # type: ignore[attr-defined]
            article.save()

        assert run_at_once(save, remove_unused) == [None, None]
        assert Article.objects.get(title="Shore").photo == Upload.objects.live().get()

    @pytest.mark.postgresql
    @pytest.mark.slow
    @pytest.mark.django_db(transaction=True)
    def test_removal_waits_for_a_row_that_is_being_saved(self, due: Upload) -> None:
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                Article(title="Shore", photo=due).save()
                # The transaction has not ended, so another one sees neither the row nor the new grace.
                removal = pool.submit(remove_and_close)
                wait_for_lock()
            assert removal.result() is True
        assert Article.objects.get(title="Shore").photo == due

    def test_upload_that_is_used_since_it_was_found_stays(
        self, due: Upload, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        purge = services.purge_unused

        def use_first(**arguments: Any) -> bool:
            Article.objects.update(photo=due.pk)
            return purge(**arguments)

        monkeypatch.setattr(services, "purge_unused", use_first)
        remove_unused()
        assert Article.objects.get().photo == due

    def test_picture_of_a_removed_upload_is_refused(self, due: Upload) -> None:
        remove_unused()
        with pytest.raises(PictureGone), transaction.atomic():
            Article(title="Shore", photo=due).save()

    def test_upload_that_is_received_twice_is_kept(
        self, due: Upload, owner: User, make_image: MakeImage, make_file: MakeFile
    ) -> None:
        services.receive_upload(owner=owner, file=make_file(make_image()), by_field=True)
        remove_unused()
        assert Upload.objects.live().get() == due
