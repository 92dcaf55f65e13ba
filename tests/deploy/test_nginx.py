"""The shipped nginx in front of Darkroom: both ways to deliver pictures, its cache, and purges."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.utils.http import http_date
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from deploy.ports import HOST
from processing.models import Rendition
from processing.storages.media import media
from tests import shipped_nginx
from tests.conftest import Send
from tests.redis_server import write_certificates
from tests.shipped_nginx import ShippedNginx
from tests.storage.servers import moto_server, storage_options
from uploads import broker, services
from uploads.models import Upload
from uploads.monitoring.doctor import site
from uploads.serving import links, private_links
from uploads.testing import render

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

WAYS = ("django", "accel", "accel and a bucket")
# They belong to one connection, or to the server that sends them; nginx describes an error in a page.
OTHER = {"date", "server", "connection", "keep-alive", "x-accel-expires"}


# The method, the path and the headers of a request.
Asked = tuple[str, str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, with the names of its headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """Send a request; underscores in names of headers become hyphens."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
        connection.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        response = connection.getresponse()
        body = response.read()
        found: dict[str, str] = {}
        for name, value in response.getheaders():
            assert name.lower() not in found, f"{name} is sent twice"
            found[name.lower()] = value
        return Answer(response.status, found, body)


def compared(answer: Answer) -> Answer:
    """Return what must not depend on the way."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in OTHER and not name.startswith("x-amz")  # of the S3 server of the tests
    }
    if answer.status in {412, 416}:
        part = {"content-range": headers["content-range"]} if answer.status == 416 else {}
        return Answer(answer.status, part, b"")
    if answer.status == 304:
        # nginx leaves out the headers that describe the body which it does not send.
        for name in ("content-type", "content-length", "accept-ranges"):
            headers.pop(name, None)
    if answer.status == 206:
        headers.pop("accept-ranges", None)
    return Answer(answer.status, headers, answer.body)


@pytest.fixture
def web(live_server: LiveServer) -> int:
    """Return the port of Darkroom's web server."""
    port = urlsplit(live_server.url).port
    assert port
    return port


@pytest.fixture
def bucket(settings: Settings) -> Iterator[None]:
    """Store files in a bucket."""
    with moto_server() as endpoint:
        options = {**storage_options(endpoint), "location": "photos"}
        backend = {"BACKEND": "processing.storages.s3.S3Storage", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "default": backend}
        media.connection.create_bucket(Bucket=options["bucket_name"])  # type: ignore[attr-defined]
        yield
        media.connection.meta.client.close()  # type: ignore[attr-defined]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Deliver files in this way."""
    name: str = request.param
    if "bucket" in name:
        request.getfixturevalue("bucket")
    settings.DARKROOM = {**settings.DARKROOM, "DELIVERY": name.split(maxsplit=1)[0]}
    return name


@pytest.fixture
def nginx(tmp_path: Path, web: int, settings: Settings) -> Iterator[ShippedNginx]:
    """Run the shipped nginx in front of the web server, and let it purge if it can."""
    shipped_nginx.require()
    nginx = ShippedNginx(tmp_path / "nginx", web=web, media=Path(settings.MEDIA_ROOT))
    with nginx.running():
        settings.DARKROOM = {
            **settings.DARKROOM,
            "SITE_URL": nginx.url,
            "NGINX_PURGE_URL": [nginx.purge_url] if nginx.purge_url else [],
        }
        yield nginx


@pytest.fixture
def purges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tasks that purge at once."""
    shipped_nginx.require(purges=True)
    monkeypatch.setattr(broker, "publish", lambda message: message.apply(throw=True))


@pytest.fixture
def ready(send: Send) -> Upload:
    return render(send())


def permanent(upload: Upload, preset: str = "small", format: str = "jpeg") -> str:
    return links.rendition_path(upload, rendition_of(upload, preset, format))


def rendition_of(upload: Upload, preset: str = "small", format: str = "jpeg") -> Rendition:
    return Rendition.objects.get(original=upload.original, preset=preset, format=format)


def requests_for(upload: Upload) -> dict[str, Asked]:
    """Return requests by their names."""
    row = rendition_of(upload)
    tag, size = f'"{row.digest[:32]}"', row.byte_size
    date, earlier = http_date(row.rendered_at.timestamp()), http_date(row.rendered_at.timestamp() - 60)
    path, picture = permanent(upload), f"/i/{upload.pk}/small.jpg"
    jpeg = {"Accept": "image/jpeg"}
    return {
        "whole": ("GET", path, {}),
        "head": ("HEAD", path, {}),
        "same tag": ("GET", path, {"If-None-Match": tag}),
        "other tag": ("GET", path, {"If-None-Match": '"other"'}),
        "any tag": ("GET", path, {"If-None-Match": "*"}),
        "not modified": ("GET", path, {"If-Modified-Since": date}),
        "modified": ("GET", path, {"If-Modified-Since": earlier}),
        "match": ("GET", path, {"If-Match": tag}),
        "no match": ("GET", path, {"If-Match": '"other"'}),
        "unmodified": ("GET", path, {"If-Unmodified-Since": date}),
        "first bytes": ("GET", path, {"Range": "bytes=0-9"}),
        "middle": ("GET", path, {"Range": f"bytes=10-{size - 1}"}),
        "rest": ("GET", path, {"Range": "bytes=10-"}),
        "too far": ("GET", path, {"Range": f"bytes=10-{size + 100}"}),
        "last bytes": ("GET", path, {"Range": "bytes=-7"}),
        "beyond": ("GET", path, {"Range": f"bytes={size}-"}),
        "two ranges": ("GET", path, {"Range": "bytes=0-1,4-5"}),
        "range of this": ("GET", path, {"Range": "bytes=0-9", "If-Range": tag}),
        "range of this date": ("GET", path, {"Range": "bytes=0-9", "If-Range": date}),
        "range of another": ("GET", path, {"Range": "bytes=0-9", "If-Range": '"other"'}),
        "picture": ("GET", picture, {}),
        "head of a picture": ("HEAD", picture, {}),
        "negotiated": ("GET", f"/i/{upload.pk}/small", jpeg),
        "negotiated as webp": ("GET", f"/i/{upload.pk}/small", {"Accept": "image/webp"}),
        "same picture": ("GET", f"/i/{upload.pk}/small", {**jpeg, "If-None-Match": tag}),
        "part of a picture": ("GET", picture, {"Range": "bytes=0-9"}),
        "download": ("GET", f"{path}?download=Caf%C3%A9", {}),
        "other origin": ("GET", path, {"Origin": "https://shop.example"}),
        "no preset": ("GET", f"/i/{upload.pk}/none", {}),
        "no rendition": ("GET", "/renditions/0123456789abcdef/00/none.jpg", {}),
    }


def test_nginx_accepts_the_files_as_they_are(tmp_path: Path) -> None:
    shipped_nginx.require()
    nginx = ShippedNginx(tmp_path / "nginx", web=1, media=tmp_path, tls=True)
    write_certificates(tmp_path)
    for name, shipped in (("server.pem", "fullchain.pem"), ("server.key", "privkey.pem")):
        (tmp_path / name).rename(tmp_path / "nginx" / shipped)
    said = nginx.check()
    assert "test is successful" in said
    assert "[emerg]" not in said


def answers(port: int, asked: Mapping[str, Asked]) -> dict[str, Answer]:
    """Return what must not depend on the way, by the name of the request."""
    return {
        name: compared(ask(port, path, method, **headers)) for name, (method, path, headers) in asked.items()
    }


def assert_same_answers(
    nginx: ShippedNginx, web: int, asked: Mapping[str, Asked], settings: Settings
) -> None:
    darkroom = {**settings.DARKROOM, "PICTURE_ORIGINS": ["https://shop.example"]}
    settings.DARKROOM = {**darkroom, "DELIVERY": "django"}
    wanted = answers(web, asked)
    assert {answer.status for answer in wanted.values()} >= {200, 206, 304}
    settings.DARKROOM = darkroom
    # The second round finds the public ones in the cache.
    for _round in range(2):
        found = answers(nginx.port, asked)
        for name in asked:
            assert (name, found[name]) == (name, wanted[name])


@pytest.mark.usefixtures("way")
def test_both_ways_answer_the_same(ready: Upload, nginx: ShippedNginx, web: int, settings: Settings) -> None:
    assert_same_answers(nginx, web, requests_for(ready), settings)


@pytest.mark.usefixtures("way")
def test_both_ways_answer_the_same_by_a_private_link(
    ready: Upload, nginx: ShippedNginx, web: int, settings: Settings
) -> None:
    services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
    token = private_links.make(upload=ready).token
    asked = {
        name: (method, f"{path}?link={token}", headers)
        for name, (method, path, headers) in requests_for(ready).items()
        if path.startswith("/i/")
    }
    assert_same_answers(nginx, web, asked, settings)


@pytest.mark.usefixtures("way", "purges")
def test_pictures_come_from_the_cache_until_a_purge(ready: Upload, nginx: ShippedNginx) -> None:
    paths = [permanent(ready), f"/i/{ready.pk}/small.jpg", f"/i/{ready.pk}/small"]
    first = [ask(nginx.port, path) for path in paths]
    assert [answer.status for answer in first] == [200, 200, 200]
    # No code of Darkroom deletes it, so nothing is purged.
    Upload.objects.filter(pk=ready.pk).update(visibility=Upload.Visibility.PRIVATE)
    assert [ask(nginx.port, path).body for path in paths] == [answer.body for answer in first]
    # The query is another picture to the cache.
    assert ask(nginx.port, f"{paths[0]}?again").status == 404
    Upload.objects.filter(pk=ready.pk).update(visibility=Upload.Visibility.UNLISTED)
    services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
    assert [ask(nginx.port, path).status for path in paths] == [404, 404, 404]


@pytest.mark.usefixtures("purges")
@pytest.mark.parametrize("hide", ["delete", "take down", "suspend", "remove the person"])
def test_hidden_picture_is_purged(ready: Upload, nginx: ShippedNginx, hide: str, settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "DELIVERY": "accel"}
    paths = [permanent(ready), f"/i/{ready.pk}/small"]
    asked = [(path, accept) for path in paths for accept in ("*/*", "image/webp")]
    assert {ask(nginx.port, path, Accept=accept).status for path, accept in asked} == {200}
    match hide:
        case "delete":
            services.delete_upload(upload=ready)
        case "take down":
            services.take_down(upload=ready, reason="It is not yours.")
        case "suspend":
            ready.owner.is_active = False
            ready.owner.save()
        case _:
            services.remove_person(person=ready.owner)
    assert {ask(nginx.port, path, Accept=accept).status for path, accept in asked} == {404}


@pytest.mark.usefixtures("purges")
def test_deletion_does_not_show_that_another_owner_has_the_file(
    ready: Upload, nginx: ShippedNginx, send: Send, stranger: User
) -> None:
    other = render(send(by=stranger))
    mine, theirs = permanent(ready), permanent(other)
    assert mine != theirs
    assert (ask(nginx.port, mine).status, ask(nginx.port, theirs).status) == (200, 200)
    services.delete_upload(upload=ready)
    assert (ask(nginx.port, mine).status, ask(nginx.port, theirs).status) == (404, 200)


@pytest.mark.usefixtures("way")
def test_private_pictures_are_never_in_the_cache(ready: Upload, nginx: ShippedNginx, tmp_path: Path) -> None:
    services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
    token = private_links.make(upload=ready).token
    path = f"/i/{ready.pk}/small"
    for _ in range(2):
        answer = ask(nginx.port, f"{path}?link={token}")
        assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-cache")
        assert ask(nginx.port, path).status == 404
        assert ask(nginx.port, permanent(ready)).status == 404
    assert [file for file in (tmp_path / "nginx/cache").rglob("*") if file.is_file()] == []


@pytest.mark.usefixtures("way")
def test_lost_file_is_noticed(ready: Upload, nginx: ShippedNginx) -> None:
    row = rendition_of(ready)
    media.delete(row.key)
    answer = ask(nginx.port, permanent(ready))
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert b"rendition_missing" in answer.body
    assert Rendition.objects.get(pk=row.pk).redo


@pytest.mark.usefixtures("way", "nginx")
def test_doctor_is_content() -> None:
    assert site.problem() == ""


def test_doctor_reports_a_folder_that_nginx_cannot_read(
    tmp_path: Path, web: int, settings: Settings, ready: Upload
) -> None:
    shipped_nginx.require()
    nginx = ShippedNginx(tmp_path / "nginx", web=web, media=tmp_path / "elsewhere")
    settings.DARKROOM = {**settings.DARKROOM, "DELIVERY": "accel", "SITE_URL": nginx.url}
    with nginx.running():
        # Visitors see pictures nevertheless.
        assert ask(nginx.port, permanent(ready)).status == 200
        assert "cannot read the files" in site.problem()


def test_doctor_reports_that_nothing_understands_the_header(web: int, settings: Settings) -> None:
    url = f"http://{HOST}:{web}"
    settings.DARKROOM = {**settings.DARKROOM, "DELIVERY": "accel", "SITE_URL": url}
    assert "understands X-Accel-Redirect" in site.problem()


def test_doctor_reports_an_nginx_that_does_not_purge(nginx: ShippedNginx, settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "NGINX_PURGE_URL": [nginx.url]}
    assert "purges its cache" in site.problem()


def test_clients_cannot_ask_for_internal_paths(ready: Upload, nginx: ShippedNginx) -> None:
    key = rendition_of(ready).key
    for path in (f"/_darkroom/{key}", "/_darkroom/bucket/http/127.0.0.1/x"):
        assert ask(nginx.port, path).status == 404


def test_media_host_has_pictures_alone(ready: Upload, nginx: ShippedNginx) -> None:
    assert ask(nginx.media_port, permanent(ready)).status == 200
    assert ask(nginx.media_port, "/accounts/login/").status == 404


@pytest.mark.usefixtures("nginx")
def test_save_of_an_active_owner_purges_nothing(ready: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(broker, "publish", sent.append)
    ready.owner.save()
    assert sent == []
