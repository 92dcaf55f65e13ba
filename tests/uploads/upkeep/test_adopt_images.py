"""manage.py adopt_images: every option, twice, at once, interrupted, and with unsuitable files."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from typing import Any, NoReturn

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from processing import originals
from processing.errors import Refusal
from processing.originals import OriginalLost
from processing.renderer.rendering import ReaderBusy
from processing.storages.media import StorageUnavailable, media
from tests.adoption.models import STORAGE, Gallery, Pair, Photo
from tests.conftest import MakeImage, assert_storage_matches_rows, stored_keys
from tests.threads import run_at_once
from uploads import completion, pipeline, services
from uploads.fields.owners import SITE_NAME
from uploads.models import Delivery, Event, Quota, Upload
from uploads.notices import preferences

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

AddPhoto = Callable[..., Photo]


@pytest.fixture(autouse=True)
def _small_presets(settings: Settings) -> None:
    presets = {"thumb": {"width": 64, "height": 64, "mode": "fill", "formats": ["webp"]}}
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[Upload]:
    """Record the uploads whose chains are started, because there are no workers."""
    uploads: list[Upload] = []

    def start(upload: Upload) -> bool:
        uploads.append(upload)
        return True

    monkeypatch.setattr(pipeline, "start", start)
    return uploads


@pytest.fixture
def add_photo(make_image: MakeImage) -> Iterator[AddPhoto]:
    """Return a function that adds a row with a file, each with another picture."""

    def add(data: bytes | None = None, *, name: str = "photo.jpg", **fields: Any) -> Photo:
        seed = Photo.objects.count()
        picture = make_image(width=150, height=120, seed=seed) if data is None else data
        photo: Photo = Photo.objects.create(file=ContentFile(picture, name=name), **fields)
        return photo

    yield add
    shutil.rmtree(STORAGE.location, ignore_errors=True)


@pytest.fixture
def photos(owner: User, add_photo: AddPhoto) -> list[Photo]:
    """Return four rows with different pictures, and add one without a file."""
    Photo.objects.create(file="")
    Photo.objects.create(file=None)
    return [add_photo(name=f"{number}.jpg") for number in range(4)]


def adopt(*arguments: object, field: str = "adoption.Photo.file", owner: str = "--owner=ada") -> str:
    output = StringIO()
    given = [owner] if owner else []
    call_command("adopt_images", field, *given, *arguments, stdout=output, stderr=output)
    return output.getvalue()


def adopt_json(*arguments: object, fails: bool = False, **options: str) -> dict[str, Any]:
    output = StringIO()
    given = [options.get("owner", "--owner=ada"), *arguments, "--json"]
    if fails:
        with pytest.raises(CommandError):
            call_command("adopt_images", "adoption.Photo.file", *given, stdout=output)
    else:
        call_command("adopt_images", "adoption.Photo.file", *given, stdout=output)
    answer = json.loads(output.getvalue())
    assert isinstance(answer, dict)
    return answer


def codes(answer: dict[str, Any]) -> dict[str, str]:
    """Return the code of each row that could not be adopted, by the name of its file."""
    return {one["file"].rpartition("/")[2]: one["code"] for one in answer["failed"]}


def name_of(photo: Photo) -> str:
    """Return the name of a row's file in its storage."""
    assert photo.file.name is not None
    return photo.file.name


def last_part(photo: Photo) -> str:
    return name_of(photo).rpartition("/")[2]


def bytes_of(photo: Photo) -> bytes:
    with STORAGE.open(name_of(photo)) as file:
        return bytes(file.read())


def pictures() -> dict[int, Any]:
    return dict(Photo.objects.values_list("pk", "picture"))


def assert_adopted(photos: list[Photo]) -> None:
    """Assert that each row refers to an upload of its file, which is where it was."""
    for photo in photos:
        name = name_of(photo)
        photo.refresh_from_db()
        assert photo.picture is not None
        assert name_of(photo) == name
        assert originals.read(photo.picture.original) == bytes_of(photo)
        assert photo.picture.filename == last_part(photo)
    assert Upload.objects.count() == len({pictures()[photo.pk] for photo in photos})
    assert_storage_matches_rows()


def test_every_file_becomes_an_upload(photos: list[Photo], owner: User, started: list[Upload]) -> None:
    with transaction.atomic():
        output = adopt()
    size = sum(photo.file.size for photo in photos)
    assert output.startswith("4 rows: 4 adopted (")
    assert_adopted(photos)
    assert set(Upload.objects.values_list("owner", "bulk", "visibility")) == {(owner.pk, True, "unlisted")}
    assert Photo.objects.filter(picture=None).count() == 2
    assert Quota.objects.get(owner=owner).bytes == size


def test_second_run_changes_nothing(photos: list[Photo]) -> None:
    adopt()
    before = pictures()
    assert adopt_json() == {"dry_run": False, "rows": 0, "adopted": 0, "bytes": 0, "failed": []}
    assert pictures() == before
    assert_adopted(photos)


@pytest.mark.django_db(transaction=True)
def test_chains_start_after_the_commit(photos: list[Photo], started: list[Upload]) -> None:
    adopt()
    assert {upload.pk for upload in started} == set(pictures().values()) - {None}


class Killed(BaseException):
    """The process ends here."""


BOUNDARIES = {
    "before_the_file_is_stored": (originals, "ensure_stored", "before"),
    "after_the_file_is_stored": (originals, "ensure_stored", "after"),
    "before_the_row_is_changed": (services, "import_upload", "after"),
    "between_two_rows": (services, "examine", "before"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_interrupted_run_is_continued(
    photos: list[Photo], monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    place, name, when = BOUNDARIES[boundary]
    call = getattr(place, name)
    calls: list[object] = []

    def call_and_die(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == 3:
            if when == "after":
                call(*args, **kwargs)
            raise Killed
        return call(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, call_and_die)
        with pytest.raises(Killed):
            adopt()
    first = [photo for photo in photos if pictures()[photo.pk]]
    assert len(first) == 2
    before = pictures()
    assert adopt().startswith("2 rows: 2 adopted")
    assert_adopted(photos)
    assert {photo.pk: before[photo.pk] for photo in first}.items() <= pictures().items()


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_make_one_upload_of_each_file(photos: list[Photo]) -> None:
    for error in run_at_once(adopt, adopt):
        assert error is None or (isinstance(error, CommandError) and "could not be adopted" in str(error))
    assert_adopted(photos)


def test_dry_run_changes_nothing_and_names_what_cannot_be_adopted(
    photos: list[Photo], add_photo: AddPhoto
) -> None:
    add_photo(b"no picture", name="note.jpg")
    before = stored_keys()
    answer = adopt_json("--dry-run", fails=True)
    assert codes(answer) == {"note.jpg": "unsupported_format"}
    assert (answer["dry_run"], answer["rows"], answer["adopted"]) == (True, 5, 4)
    assert answer["bytes"] == sum(photo.file.size for photo in photos)
    assert set(pictures().values()) == {None}
    assert Upload.objects.count() == Event.objects.count() == 0
    assert stored_keys() == before


def test_files_that_cannot_be_adopted_are_listed_and_skipped(
    photos: list[Photo], add_photo: AddPhoto, make_image: MakeImage, settings: Settings
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 20_000, "MAX_PIXELS": 20_000}
    bad = {
        add_photo(b"", name="empty.jpg"): "unsupported_format",
        add_photo(make_image()[:100], name="cut.jpg"): "unreadable_image",
        add_photo(bytes(30_000), name="large.jpg"): "too_large",
        add_photo(make_image(width=201, height=100), name="many.jpg"): "too_many_pixels",
        add_photo(make_image(width=401, height=40), name="wide.jpg"): "unsuitable_image",
        add_photo(name="lost.jpg"): "missing_file",
    }
    STORAGE.delete(next(name_of(photo) for photo in bad if "lost" in name_of(photo)))
    answer = adopt_json(fails=True)
    assert codes(answer) == {last_part(photo): code for photo, code in bad.items()}
    assert (answer["rows"], answer["adopted"]) == (10, 4)
    assert_adopted(photos)
    with pytest.raises(CommandError, match="6 of 6 rows could not be adopted"):
        adopt()
    assert_adopted(photos)


def test_error_of_another_storage_is_reported(photos: list[Photo], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> NoReturn:
        raise PermissionError(f"{name}: not allowed")

    monkeypatch.setattr(STORAGE, "open", refuse)
    answer = adopt_json(fails=True)
    assert set(codes(answer).values()) == {"unreadable_file"}
    assert "not allowed" in answer["failed"][0]["detail"]


def test_row_that_is_changed_meanwhile_is_not_overwritten(
    photos: list[Photo], make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = services.examine

    def replace_meanwhile(*, owner: None, file: Any) -> Any:
        if file.name == "1.jpg":
            row = Photo.objects.get(pk=photos[1].pk)
            row.file.save("new.jpg", ContentFile(make_image(width=140, height=90)))
        elif file.name == "2.jpg":
            Photo.objects.filter(pk=photos[2].pk).update(file="")
        elif file.name == "3.jpg":
            Photo.objects.filter(pk=photos[3].pk).delete()
        return examine(owner=owner, file=file)

    monkeypatch.setattr(services, "examine", replace_meanwhile)
    answer = adopt_json(fails=True)
    assert codes(answer) == {"1.jpg": "changed", "2.jpg": "changed", "3.jpg": "changed"}
    assert Upload.objects.get().filename == "0.jpg"
    assert adopt().startswith("1 rows: 1 adopted")
    photos[1].refresh_from_db()
    assert_adopted(photos[:2])


def test_picture_that_was_chosen_meanwhile_stays(
    photos: list[Photo], owner: User, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine, chosen = services.examine, send()

    def choose_meanwhile(*, owner: None, file: Any) -> Any:
        Photo.objects.filter(pk=photos[0].pk).update(picture=chosen)
        return examine(owner=owner, file=file)

    monkeypatch.setattr(services, "examine", choose_meanwhile)
    assert codes(adopt_json(fails=True)) == {"0.jpg": "changed"}
    assert pictures()[photos[0].pk] == chosen.pk


def test_quota_limits_no_operator_and_counts(photos: list[Photo], owner: User, settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "QUOTA_IMAGES": 1}
    adopt()
    assert Quota.objects.get(owner=owner).images == 4


def test_owner_has_no_notices(photos: list[Photo], add_photo: AddPhoto, owner: User, make_image: Any) -> None:
    preferences.choose_email(person=owner, choice="each")
    image = make_image(width=300, format="PNG", mode="RGBA")
    broken = add_photo(image[: len(image) // 5], name="broken.png")
    adopt()
    for upload in Upload.objects.all():
        with suppress(Refusal):
            completion.run_here(upload)
    broken.refresh_from_db()
    assert broken.picture is not None
    assert broken.picture.status == "failed"
    names = Event.objects.values_list("name", flat=True)
    assert {Event.Name.RECEIVED, Event.Name.READY, Event.Name.FAILED} <= set(names)
    assert Delivery.objects.count() == 0
    services.take_down(upload=Upload.objects.first(), reason="a reason")  # type: ignore[arg-type]
    assert Delivery.objects.count() == 1


def test_owner_is_found_in_the_row(photos: list[Photo], owner: User, stranger: User) -> None:
    theirs, no_ones = Gallery.objects.create(author=stranger), Gallery.objects.create()
    Photo.objects.filter(pk=photos[0].pk).update(gallery=theirs)
    Photo.objects.filter(pk=photos[1].pk).update(gallery=no_ones)
    Photo.objects.filter(pk=photos[2].pk).update(gallery=Gallery.objects.create(author=owner))
    answer = adopt_json(owner="--owner-field=gallery__author", fails=True)
    assert codes(answer) == {"1.jpg": "no_owner", "3.jpg": "no_owner"}
    owners = Photo.objects.exclude(picture=None).order_by("pk").values_list("picture__owner", flat=True)
    assert list(owners) == [stranger.pk, owner.pk]


def test_owner_is_that_of_new_pictures(photos: list[Photo]) -> None:
    adopt("--dry-run", owner="")
    assert not User.objects.filter(username=SITE_NAME).exists()
    adopt(owner="")
    assert set(Upload.objects.values_list("owner__username", flat=True)) == {SITE_NAME}
    assert_adopted(photos)


def test_row_without_the_owner_that_the_field_needs_is_left(
    make_image: MakeImage, add_photo: AddPhoto, owner: User
) -> None:
    upload = services.receive_upload(owner=owner, file=ContentFile(make_image(), name="always.jpg")).upload
    for name in ("none.jpg", "ada.jpg"):
        Pair.objects.create(file=ContentFile(make_image(seed=1), name=name), always=upload)
    Pair.objects.filter(file__endswith="ada.jpg").update(person=owner)
    with pytest.raises(CommandError, match="1 of 2 rows"):
        adopt("--to=front", field="adoption.Pair.file", owner="")
    assert Pair.objects.exclude(front=None).get().front.owner == owner


def test_rows_of_one_owner_with_the_same_bytes_share_an_upload(
    add_photo: AddPhoto, owner: User, make_image: MakeImage
) -> None:
    data = make_image(width=150, height=120)
    photos = [add_photo(data, name="one.jpg"), add_photo(data, name="two.jpg")]
    assert adopt_json()["adopted"] == 2
    assert len({pictures()[photo.pk] for photo in photos}) == 1
    assert Upload.objects.get().filename == "one.jpg"


def test_verify_compares_each_file_with_its_original(photos: list[Photo], make_image: MakeImage) -> None:
    adopt()
    size = sum(photo.file.size for photo in photos)
    expected = {"dry_run": False, "rows": 4, "verified": 4, "bytes": size, "failed": []}
    assert adopt_json("--verify") == expected
    photos[0].refresh_from_db()
    photos[0].file.save("new.jpg", ContentFile(make_image(width=140, height=90)))
    STORAGE.delete(name_of(photos[1]))
    photos[2].refresh_from_db()
    lost = photos[2].picture
    assert lost is not None
    media.delete(f"originals/{lost.original.content_hash[:2]}/{lost.original.content_hash}")
    answer = adopt_json("--verify", fails=True)
    wanted = {"new.jpg": "differs", "1.jpg": "missing_file", "2.jpg": OriginalLost.code}
    assert codes(answer) == wanted
    assert answer["verified"] == 1


@pytest.mark.parametrize("error", [StorageUnavailable("The disk is full."), ReaderBusy("No renderer.")])
def test_run_ends_if_no_file_could_be_stored(
    photos: list[Photo], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(**_: Any) -> NoReturn:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(services, "import_upload", fail)
        with pytest.raises(CommandError, match="Run the same command again to continue"):
            adopt()
    adopt()
    assert_adopted(photos)


def test_ctrl_c_ends_the_run_after_the_current_row(
    photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = services.examine

    def press_ctrl_c(*, owner: None, file: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return examine(owner=owner, file=file)

    with monkeypatch.context() as patch:
        patch.setattr(services, "examine", press_ctrl_c)
        with pytest.raises(CommandError, match="Interrupted") as caught:
            adopt()
    assert caught.value.returncode == 130
    assert Upload.objects.count() == 1
    adopt()
    assert_adopted(photos)


@pytest.mark.parametrize(
    ("field", "arguments", "sentence"),
    [
        ("file", ["--owner=ada"], "Write it like app.Model.field"),
        ("adoption.Nothing.file", ["--owner=ada"], "Write it like app.Model.field"),
        ("adoption.Photo.nothing", ["--owner=ada"], "Its fields: .*file"),
        ("adoption.Photo.title", ["--owner=ada"], "not an ImageField"),
        ("adoption.Photo.file", ["--owner=ada", "--to=title"], "no PictureField 'title'"),
        ("adoption.Gallery.author", ["--owner=ada"], "not an ImageField"),
        ("adoption.Pair.file", ["--owner=ada"], "choose one by --to"),
        ("adoption.Pair.file", ["--owner=ada", "--to=always"], "Add it"),
        ("adoption.Photo.file", ["--owner=eve"], "There is no owner 'eve'"),
        ("adoption.Photo.file", ["--owner-field=gallery"], "does not lead to an owner"),
        ("adoption.Photo.file", ["--owner-field=title__author"], "does not lead to|has no field"),
    ],
)
def test_bad_argument_is_explained(owner: User, field: str, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("adopt_images", field, *arguments, stdout=StringIO(), stderr=StringIO())
