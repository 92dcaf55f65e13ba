"""Uploads are processed in the process of the test, whole or by the fake."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, Task
from django.contrib.auth.models import User
from django.core import mail
from django.template import Context, Template
from django.test import Client, TestCase
from PIL import Image
from rest_framework.test import APIClient

from processing import steps
from processing.images.reading.refusals import UnreadableImage
from processing.models import Lease, Rendition
from processing.renderer.options import RendererDied
from processing.renderer.pool import POOL
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows
from uploads import services
from uploads.events import wakeups
from uploads.models import Delivery, Event, Upload
from uploads.notices import preferences
from uploads.testing import fake_rendering, render, rendered_at_once, tiny_file, tiny_image

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt to use the broker or to wake a stream fail."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the test uses the broker or Redis")

    monkeypatch.setattr(Task, "apply_async", refuse)
    monkeypatch.setattr(Celery, "connection_for_write", refuse)
    monkeypatch.setattr(wakeups._Wakeups, "tell", refuse)


class TestAtOnce(TestCase):
    """The usual way, in a `TestCase` and with Django's client."""

    def setUp(self) -> None:
        self.owner = User.objects.create_user("ada", "ada@example.org")
        self.client.force_login(self.owner)

    def test_sent_image_is_ready_after_the_request(self) -> None:
        with rendered_at_once():
            response = self.client.post("/", {"file": tiny_file()})
            assert response.status_code == 302
            upload = Upload.objects.get()
            assert upload.status == "ready"
            assert self.client.get(f"/i/{upload.pk}/thumb").status_code == 200
        assert [event.name for event in upload.events.all()] == [
            "upload.received", "upload.thumbnails_ready", "upload.ready",
        ]  # fmt: skip

    def test_several_images_are_ready(self) -> None:
        with rendered_at_once():
            for color in ("#000000", "#777777", "#ffffff"):
                self.client.post("/", {"file": tiny_file(color=color)})
        assert list(Upload.objects.values_list("status", flat=True)) == ["ready"] * 3

    def test_notices_are_delivered(self) -> None:
        preferences.choose_email(person=self.owner, choice="each")
        with rendered_at_once():
            self.client.post("/", {"file": tiny_file("sea.jpg")})
        (sent,) = mail.outbox
        assert sent.subject == "1 image is ready"
        assert Delivery.objects.get(channel="email").delivered_at is not None

    def test_fake_gives_every_rendition_its_size(self) -> None:
        with fake_rendering():
            self.client.post("/", {"file": tiny_file(width=3000, height=2000)})
        upload = Upload.objects.get()
        assert upload.status == "ready"
        sizes = {(row.preset, row.width, row.height) for row in Rendition.objects.all()}
        assert sizes == {
            ("thumb", 256, 256), ("small", 320, 213), ("medium", 640, 427), ("large", 1280, 853),
            ("xlarge", 1920, 1280),
        }  # fmt: skip
        assert {row.format for row in Rendition.objects.all()} == {"webp", "jpeg"}


def test_render_returns_the_ready_upload(send: Send) -> None:
    upload = send()
    assert render(upload) is upload
    assert upload.status == "ready"


def test_render_raises_the_refusal(send: Send, make_image: MakeImage) -> None:
    upload = send(make_image()[:-9000])
    Upload.objects.update()
    with pytest.raises(UnreadableImage):
        render(upload)


def test_upload_that_cannot_be_processed_has_failed(send: Send, make_image: MakeImage) -> None:
    with rendered_at_once():
        upload = send(make_image()[:-9000])
        upload.refresh_from_db()
    assert (upload.status, upload.error_code) == ("failed", "unreadable_image")


def test_mistake_in_the_code_reaches_the_test(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(steps, "run", fail)
    with pytest.raises(ZeroDivisionError), rendered_at_once():
        send()


def test_original_that_ends_its_renderer_is_tried_again(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    deaths = iter([RendererDied("crashed", fault="crashed")])
    whole = steps._render

    def die_once(*arguments: Any) -> list[Rendition]:
        for death in deaths:
            raise death
        return whole(*arguments)

    monkeypatch.setattr(steps, "_render", die_once)
    with rendered_at_once():
        upload = send()
        upload.refresh_from_db()
    assert upload.status == "ready"


def test_focal_point_and_reprocessing_are_done_at_once(send: Send) -> None:
    with rendered_at_once():
        upload = send()
        services.set_focus(upload=upload, point=(0.2, 0.3))
        upload.refresh_from_db()
        assert (upload.status, upload.point) == ("ready", "200.300")
        services.reprocess(uploads=[upload], force=True)
    assert not Rendition.objects.filter(redo=True).exists()
    assert_storage_matches_rows()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_upload_is_ready_after_a_real_commit(send: Send) -> None:
    with rendered_at_once():
        upload = send()
        upload.refresh_from_db()
    assert upload.status == "ready"


class TestFake:
    @pytest.fixture
    def _no_renderer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise AssertionError("the test starts a renderer")

        monkeypatch.setattr(POOL, "renderer", refuse)

    @pytest.fixture
    def upload(self, _no_renderer: None, owner: User, make_file: MakeFile) -> Iterator[Upload]:
        with fake_rendering():
            file = make_file(tiny_image(width=900, height=600))
            upload = services.receive_upload(owner=owner, file=file).upload
            upload.refresh_from_db()
            yield upload

    def test_nothing_is_decoded(self, upload: Upload) -> None:
        assert (upload.status, upload.original.color) == ("ready", "#808080")
        assert not Lease.objects.exists()
        assert_storage_matches_rows()

    def test_picture_is_shown(self, upload: Upload, client: Client) -> None:
        for accept, format in (("image/webp", "WEBP"), ("image/jpeg", "JPEG")):
            response = client.get(f"/i/{upload.pk}/medium", headers={"accept": accept})
            assert Image.open(io.BytesIO(response.content)).format == format
        drawn = Template("{% load darkroom %}{% picture upload preset='large' alt='sea' %}").render(
            Context({"upload": Upload.objects.shown().get()})
        )
        assert "640w" in drawn

    def test_transparent_image_has_no_jpeg(
        self, owner: User, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        with fake_rendering():
            file = make_file(make_image(format="PNG", mode="RGBA"))
            services.receive_upload(owner=owner, file=file)
        assert {row.format for row in Rendition.objects.all()} == {"webp", "png"}

    def test_file_that_is_no_image_is_refused(
        self, client_of: Callable[[User], APIClient], owner: User
    ) -> None:
        file = tiny_file()
        file.write(b"no image at all")
        file.seek(0)
        with fake_rendering():
            response = client_of(owner).post("/api/uploads/", {"file": file}, format="multipart")
        assert response.status_code in {400, 415}
        assert not Event.objects.exists()
