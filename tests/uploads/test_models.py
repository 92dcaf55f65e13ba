"""The constraints on uploads, which the database enforces independently of the code."""

import re
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from processing.models import Focus, Rendition
from tests.conftest import MakeImage, Send
from uploads import completion, services
from uploads.models import Delivery, Event, Heartbeat, Step, Upload

pytestmark = pytest.mark.django_db


def add_rendition(
    upload: Upload, preset: str, *, width: int, format: str = "webp", focus: str = ""
) -> Rendition:
    return Rendition.objects.create(
        original=upload.original,
        preset=preset,
        format=format,
        focus=focus,
        fingerprint="0" * 16,
        key=f"renditions/{preset}{focus}.{format}",
        width=width,
        height=width,
        byte_size=1,
        digest="0" * 64,
    )


class TestAddress:
    """The URLs of an upload."""

    def test_url_is_permanent_once_the_rendition_is_stored(self, send: Send) -> None:
        upload = send()
        assert upload.url("large") == f"/i/{upload.pk}/large"
        assert upload.url("large", "webp") == f"/i/{upload.pk}/large.webp"
        assert (upload.is_ready, upload.placeholder, upload.srcset()) == (False, None, "")
        completion.run_here(upload)
        upload = Upload.objects.shown().get()
        assert re.fullmatch(r"/renditions/[0-9a-f]{16}/\w{40}/large-\w{16}\.jpg", upload.url("large"))
        assert upload.url("large", "webp").endswith(".webp")
        assert upload.is_ready
        assert set(upload.placeholder or {}) == {"thumbhash", "color"}

    def test_url_in_a_format_that_is_not_rendered_leads_to_the_view(self, send: Send) -> None:
        completion.run_here(send())
        upload = Upload.objects.shown().get()
        assert upload.url("thumb", "avif") == f"/i/{upload.pk}/thumb.avif"

    def test_unknown_preset_is_an_error(self, send: Send) -> None:
        upload = send()
        for call in (partial(upload.url, "huge"), partial(upload.srcset, ["huge"])):
            with pytest.raises(ValueError, match=r"There is no preset 'huge'\. Known presets: large, medium"):
                call()

    def test_srcset_has_each_width_of_one_shape(self, send: Send, make_image: MakeImage) -> None:
        completion.run_here(send(make_image(width=2000, height=1000)))
        upload = Upload.objects.shown().get()
        assert re.findall(r" (\d+)w", upload.srcset()) == ["320", "640", "1280", "1920"]
        assert re.findall(r" (\d+)w", upload.srcset(["large", "thumb", "small"], "webp")) == ["320", "1280"]
        assert upload.srcset(["thumb"]) == upload.url("thumb")

    def test_private_upload_has_no_permanent_url(self, send: Send) -> None:
        completion.run_here(send())
        Upload.objects.update(visibility=Upload.Visibility.PRIVATE)
        upload = Upload.objects.shown().get()
        assert (upload.url("large"), upload.srcset()) == (f"/i/{upload.pk}/large", "")

    def test_upload_that_is_taken_down_is_not_ready(self, send: Send) -> None:
        upload = send()
        completion.run_here(upload)
        services.take_down(upload=upload, reason="It is not theirs.")
        upload.refresh_from_db()
        assert (upload.is_ready, upload.placeholder) == (False, None)


def test_owner_has_one_live_upload_of_an_original(send: Send, owner: User, stranger: User) -> None:
    first = send()
    with pytest.raises(IntegrityError), transaction.atomic():
        Upload.objects.create(owner=owner, original=first.original, filename="again.jpg")
    Upload.objects.create(owner=stranger, original=first.original, filename="another person's.jpg")
    services.delete_upload(upload=first)
    Upload.objects.create(owner=owner, original=first.original, filename="after deletion.jpg")


def test_original_in_use_cannot_be_deleted(send: Send) -> None:
    with pytest.raises(ProtectedError):
        send().original.delete()


def test_event_is_unique_and_outlives_its_upload(send: Send, owner: User) -> None:
    upload = send()
    event = Event.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.create(owner=owner, upload=upload, name=event.name)
    upload.delete()
    event.refresh_from_db()
    assert event.upload_id is None
    assert event.data["filename"] == "photo.jpg"


def test_event_has_one_delivery_per_channel(send: Send) -> None:
    send()
    event = Event.objects.get()
    Delivery.objects.create(event=event, channel="email", subject="one")
    Delivery.objects.create(event=event, channel="in_app", subject="one")
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(event=event, channel="email", subject="two")


def test_step_has_one_row_per_upload(send: Send) -> None:
    fields: dict[str, Any] = {"upload": send(), "name": "resize_image", "started_at": timezone.now()}
    Step.objects.create(**fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Step.objects.create(**fields)


def test_shown_renditions_follow_the_steps_of_the_upload(send: Send) -> None:
    upload = send()
    thumbnail, large = add_rendition(upload, "thumb", width=256), add_rendition(upload, "large", width=1280)
    add_rendition(upload, "no-longer-configured", width=99)
    assert upload.shown_renditions() == []
    upload.thumbnails_ready_at = timezone.now()
    assert upload.shown_renditions() == [thumbnail]
    upload.ready_at = timezone.now()
    assert set(upload.shown_renditions()) == {thumbnail, large}


def test_rows_have_readable_names(send: Send) -> None:
    upload = send()
    now = timezone.now()
    assert str(upload) == "photo.jpg"
    assert str(Event.objects.get()) == f"upload.received {upload.pk}"
    assert str(Step(upload=upload, name="resize_image")) == f"resize_image of {upload.pk}"
    assert str(Delivery(channel="email", subject="It is ready")) == "email: It is ready"
    assert str(Heartbeat(name="sweep", at=now)).startswith("sweep at ")


@pytest.mark.parametrize(
    ("status", "unfinished"), [("pending", True), ("processing", True), ("ready", False), ("failed", False)]
)
def test_pending_and_processing_are_unfinished(status: str, unfinished: bool) -> None:
    assert Upload(status=status).is_unfinished is unfinished


def test_event_payload_contains_type_timestamp_and_data(send: Send) -> None:
    upload = send()
    event = Event.objects.get()
    assert event.payload() == {
        "type": "upload.received",
        "timestamp": event.created_at.isoformat(),
        "data": {"id": str(upload.pk), "filename": "photo.jpg"},
    }


def test_shown_renditions_prefer_the_own_focal_point(send: Send) -> None:
    upload = send()
    upload.ready_at = timezone.now()
    jpeg, webp = (add_rendition(upload, "thumb", width=256, format=format) for format in ("jpeg", "webp"))
    mine = add_rendition(upload, "thumb", width=256, format="jpeg", focus="310.400")
    theirs = add_rendition(upload, "thumb", width=256, format="jpeg", focus="900.400")
    assert upload.shown_renditions() == [jpeg, webp]
    upload.focus = Focus.objects.create(original=upload.original, point="310.400")
    assert upload.shown_renditions() == [mine, webp]
    upload.focus = Focus(original=upload.original, point="1.1")
    assert upload.shown_renditions() == [jpeg, webp]
    assert theirs not in upload.shown_renditions()


def test_repeated_events_can_be_recorded_again(send: Send, owner: User) -> None:
    upload = send()
    for name in Event.REPEATED * 2:
        Event.objects.create(owner=owner, upload=upload, name=name)
    assert upload.events.count() == 1 + 2 * len(Event.REPEATED)
