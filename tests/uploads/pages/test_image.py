"""The page of one image without scripts."""

import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from processing import originals
from processing.models import Original
from processing.storages.media import StorageUnavailable
from tests.conftest import MakeFile, MakeImage
from tests.pages import make_rendition, make_upload, told
from uploads import completion, pipeline, services
from uploads.models import Event, PrivateLink, Step, Upload
from uploads.notices.announcements import announce
from uploads.pages import image
from uploads.serving import links, private_links

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

ACTIONS = sorted(image._ACTIONS)


@pytest.fixture(autouse=True)
def own_surroundings(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep files in a temporary folder, and start no chains."""
    settings.MEDIA_ROOT = tmp_path / "media"
    monkeypatch.setattr(pipeline, "start", lambda _upload: True)


@pytest.fixture
def upload(person: User) -> Upload:
    """Return a ready upload with a thumbnail and a large rendition."""
    now = timezone.now()
    upload = make_upload(
        person, filename="sea [view].png", status="ready", thumbnails_ready_at=now, ready_at=now
    )
    make_rendition(upload, preset="thumb", width=256)
    make_rendition(upload, preset="large", width=1280, format="jpeg")
    return upload


def page_of(client: Client, upload: Upload) -> str:
    answer = client.get(f"/uploads/{upload.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, upload: Upload, action: str, **fields: Any) -> Any:
    return client.post(f"/uploads/{upload.pk}/{action}", fields)


def test_every_rendition_is_listed_with_its_saving(signed_in: Client, upload: Upload) -> None:
    page = page_of(signed_in, upload)
    for row in upload.original.renditions.all():
        assert f'href="http://testserver{links.rendition_path(upload, row)}"' in page
    assert page.count("88 %") == 2  # 1,234 of 9,999 bytes
    assert 'http-equiv="refresh"' not in page


def test_rendition_larger_than_the_original_shows_no_saving(signed_in: Client, upload: Upload) -> None:
    Original.objects.update(byte_size=1000)
    assert "%</td>" not in page_of(signed_in, upload)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            {"camera": "Leica <M>", "profile": "Display P3", "frames": 1, "gps": True, "taken_at": None},
            ["Leica &lt;M&gt;", "Display P3", "Removed from all published sizes"],
        ),
        (
            {"camera": "", "profile": "", "frames": 12, "gps": False, "taken_at": None},
            ["No profile (treated as sRGB)", "12 frames", "Not in the file"],
        ),
    ],
)
def test_metadata_is_shown(
    signed_in: Client, upload: Upload, metadata: dict[str, Any], words: list[str]
) -> None:
    Original.objects.update(metadata=metadata)
    page = page_of(signed_in, upload)
    assert [text for text in words if text not in page] == []


@pytest.mark.parametrize(
    ("taken_at", "shown"),
    [
        (
            "2020-02-29T23:59:59-03:30",
            '<time datetime="2020-02-29T23:59:59-03:30">Feb. 29, 2020, 11:59 p.m.</time> (UTC-03:30)',
        ),
        ("2020-02-29T09:05:00", '<time datetime="2020-02-29T09:05:00">Feb. 29, 2020, 9:05 a.m.</time>'),
        ("2020-02-29T00:00:00+00:00", "Feb. 29, 2020, midnight</time> (UTC)"),
    ],
)
def test_capture_time_is_shown_by_the_clock_of_the_camera(
    signed_in: Client, upload: Upload, taken_at: str, shown: str
) -> None:
    Original.objects.update(metadata={"camera": "", "profile": "", "frames": 1, "taken_at": taken_at})
    page = " ".join(page_of(signed_in, upload).split())
    assert shown in page
    assert ("(UTC" in page) is ("(UTC" in shown)


def test_metadata_is_hidden_before_the_first_step_of_the_upload(signed_in: Client, person: User) -> None:
    upload = make_upload(person)
    Original.objects.update(metadata={"camera": "Leica", "profile": "", "frames": 1, "gps": True})
    page = page_of(signed_in, upload)
    assert "Leica" not in page
    assert 'http-equiv="refresh"' in page


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "The file ends too early, so a part of the picture may be missing."),
        ("de", "Die Datei endet zu früh. Daher kann ein Teil des Bildes fehlen."),
    ],
)
def test_truncated_file_is_reported(signed_in: Client, upload: Upload, language: str, sentence: str) -> None:
    assert "Incomplete file" not in page_of(signed_in, upload)
    Original.objects.update(truncated=True)
    page = signed_in.get(f"/uploads/{upload.pk}/", headers={"accept-language": language}).content.decode()
    assert sentence in page
    Upload.objects.update(thumbnails_ready_at=None)
    assert sentence not in page_of(signed_in, upload)


def test_timeline_is_in_order(person: User, upload: Upload) -> None:
    begun = upload.created_at
    for number, name in enumerate(Step.Name.values, 1):
        started = begun + timedelta(seconds=number)
        Step.objects.create(
            upload=upload, name=name, started_at=started, finished_at=started + timedelta(seconds=0.5)
        )
    Upload.objects.update(ready_at=begun + timedelta(seconds=5))
    Event.objects.create(owner=person, upload=upload, name=Event.Name.RECEIVED, created_at=begun)
    announce(upload, Event.Name.READY)
    upload.refresh_from_db()
    moments = [
        (moment.text, moment.duration and moment.duration.total_seconds())
        for moment in image.timeline(upload)
    ]
    assert moments == [
        ("received", None), ("thumbnails", 0.5), ("sizes", 0.5), ("notice", 0.5), ("ready", 5),
    ]  # fmt: skip


def test_running_step_has_no_duration(upload: Upload) -> None:
    Step.objects.create(upload=upload, name="resize_image", started_at=timezone.now())
    assert [moment.duration for moment in image.timeline(upload) if moment.text == "sizes"] == [None]


def test_failure_is_shown(signed_in: Client, person: User) -> None:
    upload = make_upload(person, status="failed", error_code="unreadable_image", error_detail="It is cut.")
    assert "failed: It is cut." in page_of(signed_in, upload)


def test_snippets_contain_absolute_urls(signed_in: Client, upload: Upload) -> None:
    page = page_of(signed_in, upload)
    address = f"http://testserver/i/{upload.pk}/large"
    assert f">{address}</textarea>" in page
    assert rf"![sea \[view\]]({address})" in page
    assert "&lt;picture&gt;" in page
    assert "http://testserver/renditions/" in page


@pytest.fixture
def private(upload: Upload) -> Upload:
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    return upload


def make_link(client: Client, upload: Upload) -> Any:
    return client.post(f"/uploads/{upload.pk}/")


class TestPrivateLinks:
    def test_what_is_private_is_shared_by_a_link_alone(self, signed_in: Client, private: Upload) -> None:
        page = page_of(signed_in, private)
        assert f"/i/{private.pk}/" not in page
        assert "Create a link" in page
        assert "Existing links" not in page
        assert not PrivateLink.objects.exists()

    def test_a_link_is_made_and_shown_once_with_its_end(self, signed_in: Client, private: Upload) -> None:
        answer = make_link(signed_in, private)
        page = answer.content.decode()
        link = PrivateLink.objects.get()
        (token,) = set(re.findall(r"link=([\w-]{43})", page))
        assert link.digest == sha256(token.encode()).hexdigest()
        assert f">http://testserver/i/{private.pk}/large?link={token}</textarea>" in page
        assert f"http://testserver/i/{private.pk}/large.jpg?link={token}" in page
        assert f"works until {date_format(link.expires_at, 'DATETIME_FORMAT')}" in page
        assert "no-store" in answer["Cache-Control"]
        assert token not in page_of(signed_in, private)
        assert str(link.pk) in page_of(signed_in, private)

    def test_one_is_made_before_the_image_is_ready(self, signed_in: Client, person: User) -> None:
        upload = make_upload(person, visibility="private")
        page = make_link(signed_in, upload).content.decode()
        assert re.search(rf">http://testserver/i/{upload.pk}/large\?link=[\w-]{{43}}</textarea>", page)

    def test_what_is_refused_is_told(self, signed_in: Client, private: Upload) -> None:
        services.update_upload(upload=private, visibility=Upload.Visibility.UNLISTED)
        assert make_link(signed_in, private).status_code == 409
        services.update_upload(upload=private, visibility=Upload.Visibility.PRIVATE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(private_links, "LIMIT", 0)
            answer = make_link(signed_in, private)
        assert answer.status_code == 409
        assert "Revoke one first" in answer.content.decode()
        assert not PrivateLink.objects.exists()

    def test_one_is_revoked(self, signed_in: Client, private: Upload) -> None:
        kept, gone = (private_links.make(upload=private, preset=name).link for name in ("small", "thumb"))
        answer = signed_in.post(f"/uploads/{private.pk}/links/{gone.pk}/revoke")
        assert (answer["Location"], told(answer)) == (f"/uploads/{private.pk}/", ["Link revoked."])
        assert PrivateLink.objects.get() == kept
        assert signed_in.post(f"/uploads/{private.pk}/links/{gone.pk}/revoke").status_code == 404

    def test_all_are_revoked(self, signed_in: Client, private: Upload) -> None:
        for _ in range(2):
            private_links.make(upload=private)
        assert told(act(signed_in, private, "revoke")) == ["All private links revoked."]
        assert not PrivateLink.objects.exists()

    def test_those_of_another_person_stay(self, signed_in: Client) -> None:
        upload = make_upload(User.objects.create_user("grace"), visibility="private")
        link = private_links.make(upload=upload).link
        assert make_link(signed_in, upload).status_code == 404
        assert signed_in.post(f"/uploads/{upload.pk}/links/{link.pk}/revoke").status_code == 404
        assert PrivateLink.objects.get() == link


def test_image_is_reprocessed(signed_in: Client, upload: Upload) -> None:
    answer = act(signed_in, upload, "reprocess")
    upload.refresh_from_db()
    assert (answer["Location"], upload.status) == (f"/uploads/{upload.pk}/", "pending")
    assert told(answer) == ["Reprocessing sea [view].png."]


def test_image_is_deleted_and_restored(signed_in: Client, upload: Upload) -> None:
    answer = act(signed_in, upload, "delete")
    assert (answer["Location"], told(answer)) == ("/", ["1 image deleted."])
    assert signed_in.get(f"/uploads/{upload.pk}/").status_code == 404
    gone = Upload.objects.get()
    assert gone.deleted_at is not None
    signed_in.post("/uploads/restore", {"deleted_at": gone.deleted_at.isoformat()})
    assert page_of(signed_in, upload)


@pytest.mark.parametrize(("value", "kept"), [("private", "private"), ("public", "unlisted")])
def test_visibility_is_changed_to_valid_values_only(
    signed_in: Client, upload: Upload, value: str, kept: str
) -> None:
    act(signed_in, upload, "visibility", visibility=value)
    upload.refresh_from_db()
    assert upload.visibility == kept


def test_focal_point_is_set_shown_and_reset(signed_in: Client, upload: Upload) -> None:
    act(signed_in, upload, "focus", x="31.0", y="40")
    upload.refresh_from_db()
    assert upload.focus is not None
    assert upload.focus.place == (0.31, 0.4)
    page = page_of(signed_in, upload)
    assert 'value="31.0"' in page
    assert "Set by you." in page
    act(signed_in, upload, "focus", x="31.0", y="40", automatic="")
    upload.refresh_from_db()
    assert upload.focus is None


@pytest.mark.parametrize(
    ("x", "y"), [("", "1"), ("x", "1"), ("-1", "1"), ("1", "101"), ("nan", "1"), ("1e999", "1")]
)
def test_invalid_focal_point_is_refused(signed_in: Client, upload: Upload, x: str, y: str) -> None:
    answer = act(signed_in, upload, "focus", x=x, y=y)
    assert told(answer) == ["Enter the focal point as two numbers from 0 to 100."]
    upload.refresh_from_db()
    assert upload.focus is None


@pytest.mark.parametrize("action", ACTIONS)
def test_image_of_another_owner_is_not_found(signed_in: Client, action: str) -> None:
    upload = make_upload(User.objects.create_user("grace"), status="ready")
    before = Upload.objects.values().get()
    assert signed_in.get(f"/uploads/{upload.pk}/").status_code == 404
    assert act(signed_in, upload, action, x="1", y="1", visibility="private").status_code == 404
    assert Upload.objects.values().get() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_action_refuses_get(signed_in: Client, upload: Upload, action: str) -> None:
    assert signed_in.get(f"/uploads/{upload.pk}/{action}").status_code == 405


def test_unknown_action_is_not_found(signed_in: Client, upload: Upload) -> None:
    assert act(signed_in, upload, "frame").status_code == 404


def test_image_page_has_no_inline_style_or_script(signed_in: Client, upload: Upload) -> None:
    page = page_of(signed_in, upload)
    assert "style=" not in page
    assert "onclick=" not in page


def test_image_page_uses_a_fixed_number_of_queries(
    signed_in: Client, upload: Upload, django_assert_max_num_queries: Any
) -> None:
    services.set_focus(upload=upload, point=(0.1, 0.2))
    for number in range(20):
        make_rendition(upload, preset="small", width=320 + number, format=f"f{number}")
    with django_assert_max_num_queries(9):
        page_of(signed_in, upload)


def test_text_alternative_is_set(signed_in: Client, upload: Upload) -> None:
    act(signed_in, upload, "alt", alt="The  sea")
    page = page_of(signed_in, upload)
    assert 'value="The sea"' in page
    assert 'alt="The sea"' in page
    assert "![The sea]" in page


def test_long_text_alternative_is_refused(signed_in: Client, upload: Upload) -> None:
    answer = act(signed_in, upload, "alt", alt="a" * 1001)
    assert told(answer) == ["The text alternative is too long. Shorten it."]
    upload.refresh_from_db()
    assert upload.alt == ""


class TestReplace:
    @pytest.fixture
    def sent(self, person: User, make_image: MakeImage, make_file: MakeFile) -> Upload:
        """Return the person's upload of a real picture."""
        return services.receive_upload(owner=person, file=make_file(make_image())).upload

    def replace(self, client: Client, upload: Upload, data: bytes | None = None) -> Any:
        fields = {} if data is None else {"file": SimpleUploadedFile("new sea.jpg", data)}
        return client.post(f"/uploads/{upload.pk}/replace", fields, follow=True)

    def test_form_replaces_the_file(self, signed_in: Client, sent: Upload, make_image: MakeImage) -> None:
        page = page_of(signed_in, sent)
        assert f'action="/uploads/{sent.pk}/replace"' in page
        answer = self.replace(signed_in, sent, make_image(seed=1))
        assert answer.redirect_chain == [(f"/uploads/{sent.pk}/", 302)]
        assert told(answer) == ["Replaced by new sea.jpg."]
        assert "file replaced" in answer.content.decode()
        row = Upload.objects.select_related("original").get()
        assert (row.version, row.filename) == (1, "new sea.jpg")

    def test_same_file_changes_nothing(self, signed_in: Client, sent: Upload, make_image: MakeImage) -> None:
        assert told(self.replace(signed_in, sent, make_image())) == ["The image has this file already."]
        assert Upload.objects.get().version == 0

    def test_refusal_is_shown(self, signed_in: Client, sent: Upload, settings: Any) -> None:
        [message] = told(self.replace(signed_in, sent, b"%PDF-1.7"))
        assert message.startswith("new sea.jpg is a PDF")
        assert told(self.replace(signed_in, sent)) == ["Choose a file first."]
        settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 1024}
        [message] = told(self.replace(signed_in, sent, bytes(2048)))
        assert "Upload a smaller file." in message
        assert Upload.objects.get().version == 0

    def test_unavailable_storage_is_shown(
        self, signed_in: Client, sent: Upload, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unavailable(**kwargs: Any) -> None:
            raise StorageUnavailable("no")

        monkeypatch.setattr(originals, "ensure_stored", unavailable)
        answer = self.replace(signed_in, sent, make_image(seed=1))
        assert told(answer) == ["new sea.jpg could not be stored. Upload it again."]

    def test_request_without_a_csrf_token_is_refused(
        self, person: User, sent: Upload, make_image: MakeImage
    ) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(person)
        assert self.replace(client, sent, make_image(seed=1)).status_code == 403
        assert Upload.objects.get().version == 0

    def test_image_of_another_owner_is_not_found(self, signed_in: Client, make_image: MakeImage) -> None:
        upload = make_upload(User.objects.create_user("bob"))
        assert self.replace(signed_in, upload, make_image(seed=1)).status_code == 404

    def test_takedown_has_no_form(self, signed_in: Client, sent: Upload) -> None:
        services.take_down(upload=sent, reason="No")
        assert "/replace" not in page_of(signed_in, sent)

    def test_timeline_has_the_events_of_both_files(
        self, signed_in: Client, person: User, sent: Upload, make_image: MakeImage
    ) -> None:
        completion.run_here(sent)
        self.replace(signed_in, sent, make_image(seed=1))
        row = Upload.objects.shown().get()
        assert [moment.text for moment in image.timeline(row)] == [
            "received", "thumbnails ready", "ready", "file replaced",
        ]  # fmt: skip
        completion.run_here(row)
        row = Upload.objects.shown().get()
        last = image.timeline(row)[-1]
        assert last.text == "ready"
        assert row.ready_at
        assert row.replaced_at
        assert last.duration == row.ready_at - row.replaced_at
