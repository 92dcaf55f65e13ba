"""The filters, the orders and the pages of the list of uploads."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from tests.conftest import MakeImage, Send
from uploads import services
from uploads.api.listing import ORDERINGS
from uploads.models import Upload

ClientOf = Callable[[User], APIClient]

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(client_of: ClientOf, owner: User) -> APIClient:
    return client_of(owner)


@pytest.fixture
def several(send: Send, make_image: MakeImage) -> list[Upload]:
    """Return uploads, of which several have the same name and the same time."""
    names = ["b.jpg", "a.jpg", "b.jpg", "B.jpg", "b.jpg", "Ä.jpg", "b.jpg"]
    for seed, name in enumerate(names):
        send(make_image(width=20, height=20, seed=seed), name=name)
    uploads = list(Upload.objects.order_by("created_at"))
    for upload in uploads[2:5]:
        Upload.objects.filter(pk=upload.pk).update(created_at=uploads[2].created_at)
    return uploads


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [result["id"] for result in answer.json()["results"]]


def walk(api: APIClient, address: str | None, *, to: str = "next") -> list[list[str]]:
    pages = []
    while address:
        answer = api.get(address)
        pages.append(ids(answer))
        address = answer.json()[to]
    return pages


def found(api: APIClient, **query: str) -> set[str]:
    return {result["filename"] for result in api.get("/api/uploads/", query).json()["results"]}


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_hold_every_upload_once_in_order_and_back(
    ordering: str, size: int, api: APIClient, several: list[Upload]
) -> None:
    sign = "-" if ordering.startswith("-") else ""
    wanted = [str(pk) for pk in Upload.objects.order_by(ordering, f"{sign}pk").values_list("pk", flat=True)]
    address = f"/api/uploads/?ordering={ordering}&page_size={size}"
    pages = walk(api, address)
    assert [pk for page in pages for pk in page] == wanted
    last = api.get(address)
    while last.json()["next"]:
        last = api.get(last.json()["next"])
    back = [ids(last), *walk(api, last.json()["previous"], to="previous")]
    assert [pk for page in reversed(back) for pk in page] == wanted


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_more_equal_values_than_a_page_can_skip_are_all_listed(
    ordering: str, api: APIClient, several: list[Upload], owner: User
) -> None:
    moment, size = timezone.now(), 200
    original = several[0].original
    Upload.objects.bulk_create(
        Upload(owner=owner, original=original, filename="b.jpg", created_at=moment, deleted_at=moment)
        for _ in range(1100)
    )
    # The constraint allows one upload that is not deleted, so each gets an original of its own.
    model = type(original)
    originals = model.objects.bulk_create(
        model(
            content_hash=f"{number:064}", public_key=f"{number:040}", format="jpeg", width=1, height=1,
            byte_size=1,
        )
        for number in range(1100)
    )  # fmt: skip
    rows = list(Upload.objects.exclude(deleted_at=None))
    for row, own in zip(rows, originals, strict=True):
        row.original, row.deleted_at = own, None
    Upload.objects.bulk_update(rows, ["original", "deleted_at"], batch_size=100)
    listed = [pk for page in walk(api, f"/api/uploads/?ordering={ordering}&page_size={size}") for pk in page]
    assert len(listed) == len(set(listed)) == 1100 + len(several)


def test_new_uploads_do_not_move_pages(
    api: APIClient, several: list[Upload], send: Send, make_image: MakeImage
) -> None:
    first = api.get("/api/uploads/?ordering=filename&page_size=3")
    send(make_image(seed=90), name="0.jpg")
    rest = [pk for page in walk(api, first.json()["next"]) for pk in page]
    assert len({*ids(first), *rest}) == len(several)


def test_cursor_of_another_order_is_not_found(api: APIClient, several: list[Upload]) -> None:
    following = api.get("/api/uploads/?ordering=filename&page_size=2").json()["next"]
    for ordering in ("created_at", "-filename"):
        answer = api.get(following.replace("ordering=filename", f"ordering={ordering}"))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "cursor",
    [
        "cD0x",  # p=1
        "cD1bXQ==",  # p=[]
        "cD1bIi1jcmVhdGVkX2F0IiwgIm5vdyIsICIxIl0=",  # p=["-created_at", "now", "1"]
        "cD1bIi1jcmVhdGVkX2F0IiwgMSwgMl0=",  # p=["-created_at", 1, 2]
        "cD1bIi1jcmVhdGVkX2F0IiwgIjIwMjYtMDEtMDFUMDA6MDA6MDAiLCAiMSJd",  # without an offset, and no id
        "nonsense",
    ],
)
def test_invalid_cursor_is_not_found(cursor: str, api: APIClient, several: list[Upload]) -> None:
    answer = api.get("/api/uploads/", {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_uploads_are_filtered_by_a_part_of_their_name(api: APIClient, several: list[Upload]) -> None:
    assert found(api, q="B.J") == {"b.jpg", "B.jpg"}
    assert found(api, q="A\u0308") == {"Ä.jpg"}
    assert found(api, q="%") == set()
    assert found(api, q="") == {upload.filename for upload in several}


def test_uploads_are_filtered_by_a_part_of_their_text_alternative(
    api: APIClient, several: list[Upload]
) -> None:
    services.set_alt(upload=several[1], alt="The harbour at dusk")
    assert found(api, q="HARBOUR") == {"a.jpg"}
    assert ids(api.get("/api/uploads/", {"q": "a.jpg"})) == [str(several[1].pk)]


def test_uploads_are_filtered_by_their_content_hash(api: APIClient, several: list[Upload]) -> None:
    content_hash = several[1].original.content_hash
    for text in (content_hash, content_hash.upper()):
        assert ids(api.get("/api/uploads/", {"content_hash": text})) == [str(several[1].pk)]
    assert ids(api.get("/api/uploads/", {"content_hash": "0" * 64})) == []


def test_content_hash_of_another_owner_is_not_found(api: APIClient, send: Send, stranger: User) -> None:
    upload = send(by=stranger)
    assert ids(api.get("/api/uploads/", {"content_hash": upload.original.content_hash})) == []


def test_uploads_are_filtered_by_their_time(api: APIClient, several: list[Upload]) -> None:
    for by, number in ((timedelta(), 0), (timedelta(microseconds=-1), 1)):
        moment = (several[-1].created_at + by).isoformat()
        assert len(ids(api.get("/api/uploads/", {"created_after": moment}))) == number


def test_filters_are_combined(api: APIClient, several: list[Upload]) -> None:
    Upload.objects.filter(pk=several[0].pk).update(status="ready")
    query = {"q": "b", "status": "ready", "ordering": "filename", "created_after": "2020-01-01T00:00:00Z"}
    assert ids(api.get("/api/uploads/", query)) == [str(several[0].pk)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ordering", "byte_size"),
        ("ordering", ""),
        ("content_hash", "12"),
        ("content_hash", "g" * 64),
        ("created_after", "yesterday"),
        ("q", "x" * 256),
        ("q", "\0"),
        ("search", "x"),
    ],
)
def test_invalid_filter_is_refused(name: str, value: str, api: APIClient) -> None:
    answer = api.get("/api/uploads/", {name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["errors"]) == {name}


def test_new_original_is_listed_by_its_hash_after_a_replacement(
    api: APIClient, several: list[Upload], make_image: MakeImage, make_file: Any
) -> None:
    before = several[0].original.content_hash
    file = make_file(make_image(width=33))
    from_uploads = {"content_hash": file.content_hash}
    assert ids(api.get("/api/uploads/", from_uploads)) == []
    services.replace_file(upload=several[0], file=file)
    assert ids(api.get("/api/uploads/", from_uploads)) == [str(several[0].pk)]
    assert ids(api.get("/api/uploads/", {"content_hash": before})) == []


@pytest.mark.any_database
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_order_comes_from_an_index(ordering: str, owner: User) -> None:
    sign = "-" if ordering.startswith("-") else ""
    rows = Upload.objects.live().filter(owner=owner).order_by(ordering, f"{sign}pk")
    plan = rows[:50].explain()
    assert "INDEX" in plan
    assert "TEMP B-TREE" not in plan
