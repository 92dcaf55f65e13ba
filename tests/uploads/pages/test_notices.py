"""The bell and the page of all notices."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.pages import make_upload
from uploads.models import Delivery, Event, Upload
from uploads.notices import inbox
from uploads.pages import notices

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def notify(owner: User, subject: str, **fields: Any) -> Delivery:
    event = Event.objects.create(owner=owner, upload=make_upload(owner), name="upload.ready", data={})
    return Delivery.objects.create(event=event, channel="in_app", subject=subject, **fields)


def test_bell_shows_the_number_of_unread_notices(signed_in: Client, person: User) -> None:
    assert "unread</span>" not in signed_in.get("/account/").content.decode()
    for _ in range(2):
        notify(person, "sea.png is ready")
    notify(person, "sand.png is ready", read_at=timezone.now())
    assert "2 unread" in signed_in.get("/account/").content.decode()
    assert "2 unread" in signed_in.get("/notices/unread").content.decode()


def test_bell_opens_the_latest_notices(signed_in: Client, person: User) -> None:
    for number in range(notices.LATEST + 1):
        notify(person, f"{number}.png is ready")
    page = signed_in.get("/notices/latest").content.decode()
    assert "<html" not in page
    assert ("8.png is ready" in page, "0.png is ready" in page) == (True, False)


def test_page_shows_only_own_notices(signed_in: Client, person: User) -> None:
    for owner in (person, User.objects.create_user("grace")):
        notify(owner, f"Notice for {owner.get_username()}")
    for address in ("/notices/", "/notices/latest"):
        page = signed_in.get(address).content.decode()
        assert ("Notice for ada" in page, "Notice for grace" in page) == (True, False)


def test_notice_links_to_its_image_while_it_exists(signed_in: Client, person: User) -> None:
    here, gone = notify(person, "here"), notify(person, "gone")
    Upload.objects.filter(events=gone.event).update(deleted_at=timezone.now())
    page = signed_in.get("/notices/").content.decode()
    assert f"/uploads/{here.event.upload_id}/" in page
    assert f"/uploads/{gone.event.upload_id}/" not in page


def test_subject_is_escaped(signed_in: Client, person: User) -> None:
    notify(person, "<script>alert(1)</script>.png is ready")
    assert "<script>alert" not in signed_in.get("/notices/").content.decode()


def test_all_notices_are_marked_as_read(signed_in: Client, person: User) -> None:
    notify(person, "sea.png is ready")
    assert signed_in.post("/notices/read")["Location"] == "/notices/"
    assert inbox.unread_count(person) == 0


def test_htmx_response_contains_the_unread_count(signed_in: Client, person: User) -> None:
    notify(person, "sea.png is ready")
    answer = signed_in.post("/notices/read", headers={"HX-Request": "true"})
    assert 'id="unread"' in answer.content.decode()
    assert "unread</span>" not in answer.content.decode()


def test_viewing_marks_nothing_as_read(signed_in: Client, person: User) -> None:
    notify(person, "sea.png is ready")
    for address in ("/notices/", "/notices/latest", "/notices/unread"):
        signed_in.get(address)
    assert inbox.unread_count(person) == 1
    assert signed_in.get("/notices/read").status_code == 405


def test_older_notices_are_on_the_next_page(signed_in: Client, person: User) -> None:
    for number in range(notices.NOTICES_A_PAGE + 1):
        notify(person, f"{number}.png is ready")
    assert "0.png is ready" in signed_in.get("/notices/?page=2").content.decode()


def test_notices_use_a_fixed_number_of_queries(
    signed_in: Client, person: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(10):
        notify(person, "sea.png is ready")
    with django_assert_max_num_queries(7):
        signed_in.get("/notices/")


@pytest.mark.parametrize("address", ["/notices/", "/notices/latest", "/notices/unread"])
def test_visitor_is_redirected_to_sign_in(client: Client, address: str) -> None:
    assert client.get(address)["Location"].startswith("/accounts/login/")
