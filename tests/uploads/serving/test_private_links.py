"""Private links: made, bounded, ended, and what each of them opens."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.conftest import MakeImage, Send
from tests.threads import at_once, run_at_once
from uploads import services
from uploads.models import Event, PrivateLink, Upload
from uploads.serving import private_links
from uploads.serving.private_links import InvalidExpiry, NotPrivate, TooManyLinks
from uploads.upkeep import collector

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started")]

DAY = timedelta(days=1)


@pytest.fixture
def upload(send: Send) -> Upload:
    """Return a private upload."""
    upload = send()
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    return upload


def opened(upload: Upload, token: str) -> list[str]:
    """Return the presets that a token opens."""
    presets = ("thumb", "small", "large")
    return [name for name in presets if private_links.opens(upload=upload, preset=name, token=token)]


class TestMake:
    def test_a_link_opens_every_preset_of_its_own_upload(
        self, upload: Upload, send: Send, make_image: MakeImage
    ) -> None:
        other = send(make_image(seed=1))
        services.update_upload(upload=other, visibility=Upload.Visibility.PRIVATE)
        made = private_links.make(upload=upload)
        assert opened(upload, made.token) == ["thumb", "small", "large"]
        assert opened(other, made.token) == []

    def test_a_link_to_one_preset_opens_no_other(self, upload: Upload) -> None:
        made = private_links.make(upload=upload, preset="small")
        assert opened(upload, made.token) == ["small"]

    def test_the_table_has_only_the_digest_of_a_long_token(self, upload: Upload) -> None:
        tokens = {private_links.make(upload=upload).token for _ in range(3)}
        assert len(tokens) == 3
        assert all(len(token) == 43 for token in tokens)
        rows = list(PrivateLink.objects.values())
        assert {row["digest"] for row in rows} == {sha256(token.encode()).hexdigest() for token in tokens}
        assert not any(token in str(rows) for token in tokens)

    @pytest.mark.parametrize("token", ["", "nonsense", "\x00", "é", "a" * 5000])
    def test_nonsense_opens_nothing(self, upload: Upload, token: str) -> None:
        private_links.make(upload=upload)
        assert opened(upload, token) == []

    def test_the_digest_itself_opens_nothing(self, upload: Upload) -> None:
        assert opened(upload, private_links.make(upload=upload).link.digest) == []

    def test_an_upload_that_is_not_private_needs_none(self, upload: Upload, owner: User) -> None:
        services.update_upload(upload=upload, visibility=Upload.Visibility.UNLISTED)
        with pytest.raises(NotPrivate):
            private_links.make(upload=upload)
        services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
        services.delete_upload(upload=upload)
        with pytest.raises(NotPrivate):
            private_links.make(upload=upload)
        assert not PrivateLink.objects.exists()


class TestExpiry:
    def test_a_week_is_the_default(self, upload: Upload, stopped_clock: datetime) -> None:
        assert private_links.make(upload=upload).link.expires_at == stopped_clock + timedelta(days=7)

    def test_the_default_is_a_setting(self, upload: Upload, stopped_clock: datetime, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "PRIVATE_LINK_AGE": 60}
        assert private_links.make(upload=upload).link.expires_at == stopped_clock + timedelta(minutes=1)

    def test_it_ends_the_link_at_that_moment(self, upload: Upload, stopped_clock: datetime) -> None:
        made = private_links.make(upload=upload, expires_at=stopped_clock + DAY)
        PrivateLink.objects.update(expires_at=stopped_clock + timedelta(microseconds=1))
        assert opened(upload, made.token)
        PrivateLink.objects.update(expires_at=stopped_clock)
        assert opened(upload, made.token) == []
        assert not private_links.links_of(upload).exists()

    def test_the_maximum_is_a_setting(self, upload: Upload, stopped_clock: datetime, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "PRIVATE_LINK_MAX_AGE": 7 * 24 * 3600}
        for expires_at in (stopped_clock, stopped_clock - DAY, stopped_clock + 7.001 * DAY):
            with pytest.raises(InvalidExpiry, match="at most 604800 seconds"):
                private_links.make(upload=upload, expires_at=expires_at)
        private_links.make(upload=upload, expires_at=stopped_clock + 7 * DAY)
        assert PrivateLink.objects.count() == 1


class TestLimit:
    def test_a_hundred_valid_links_an_upload(self, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
        assert private_links.LIMIT == 100
        monkeypatch.setattr(private_links, "LIMIT", 3)
        for _ in range(3):
            private_links.make(upload=upload)
        with pytest.raises(TooManyLinks, match="limit of 3 private links"):
            private_links.make(upload=upload)
        PrivateLink.objects.filter(pk=upload.links.first().pk).update(expires_at=timezone.now())  # type: ignore[union-attr]
        private_links.make(upload=upload)

    @pytest.mark.django_db(transaction=True)
    def test_also_where_several_are_made_at_once(
        self, upload: Upload, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(private_links, "LIMIT", 2)
        refused = run_at_once(*[lambda: private_links.make(upload=upload)] * 4)
        assert sum(isinstance(error, TooManyLinks) for error in refused) == 2
        assert PrivateLink.objects.count() == 2


class TestEnd:
    def test_public_and_private_again(self, upload: Upload) -> None:
        made = private_links.make(upload=upload)
        for visibility in (Upload.Visibility.UNLISTED, Upload.Visibility.PRIVATE):
            services.update_upload(upload=upload, visibility=visibility)
        assert opened(upload, made.token) == []
        assert not PrivateLink.objects.exists()

    def test_the_same_visibility_again_ends_nothing(self, upload: Upload, owner: User, send: Send) -> None:
        made = private_links.make(upload=upload)
        services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
        assert send() == upload
        assert opened(upload, made.token)

    def test_deletion_and_restoration(self, upload: Upload, owner: User) -> None:
        made = private_links.make(upload=upload)
        services.delete_upload(upload=upload)
        assert not PrivateLink.objects.exists()
        services.restore_upload(owner=owner, upload_id=upload.pk)
        assert opened(upload, made.token) == []

    def test_a_deletion_by_the_version_before_links(self, upload: Upload, owner: User) -> None:
        """During a deployment, old code deletes an upload without its links."""
        made = private_links.make(upload=upload)
        Upload.objects.update(deleted_at=timezone.now())
        services.restore_upload(owner=owner, upload_id=upload.pk)
        assert opened(upload, made.token) == []

    @pytest.mark.django_db(transaction=True)
    def test_the_version_before_links_can_purge_the_upload(self, upload: Upload) -> None:
        """After a roll-back, old code deletes the rows that it knows."""
        made = private_links.make(upload=upload)
        Event.objects.all().delete()
        Upload.objects.all()._raw_delete("default")
        assert PrivateLink.objects.get() == made.link
        PrivateLink.objects.update(expires_at=timezone.now())
        collector.collect()
        assert not PrivateLink.objects.exists()

    @pytest.mark.parametrize(
        "end",
        [
            lambda upload: services.delete_upload(upload=upload),
            lambda upload: services.update_upload(upload=upload, visibility=Upload.Visibility.UNLISTED),
        ],
        ids=["deletion", "visibility"],
    )
    @pytest.mark.django_db(transaction=True)
    def test_a_link_that_is_made_meanwhile_ends_too(
        self, send: Send, make_image: MakeImage, end: Callable[[Upload], None]
    ) -> None:
        for seed in range(5):
            upload = send(make_image(seed=seed))
            services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
            run_at_once(partial(private_links.make, upload=upload), partial(end, upload))
            assert not PrivateLink.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_two_changes_of_visibility_at_once(self, upload: Upload) -> None:
        private_links.make(upload=upload)
        public = partial(services.update_upload, upload=upload, visibility=Upload.Visibility.UNLISTED)
        at_once(public, public)
        assert not PrivateLink.objects.exists()
        assert Upload.objects.get().visibility == "unlisted"
