"""Delivering files: parts of them, names for downloads, other origins, and the ways of delivery."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.utils.http import http_date
from pytest_django import Settings

from processing.models import Rendition
from processing.storages.media import media
from tests.conftest import Send
from uploads import services
from uploads.models import Upload
from uploads.serving import delivery, links
from uploads.testing import render

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def ready(send: Send) -> Upload:
    """Return an upload with all its renditions."""
    return render(send())


@pytest.fixture
def row(ready: Upload) -> Rendition:
    return Rendition.objects.get(original=ready.original, preset="small", format="jpeg")


@pytest.fixture
def url(ready: Upload, row: Rendition) -> str:
    return links.rendition_path(ready, row)


def configure(settings: Settings, **values: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, **values}


class TestRange:
    @pytest.mark.parametrize(
        ("wanted", "part"),
        [
            ("bytes=0-9", slice(0, 10)),
            ("bytes=10-", slice(10, None)),
            ("bytes=-5", slice(-5, None)),
            ("bytes=-1000000", slice(0, None)),
            ("bytes=5-1000000", slice(5, None)),
        ],
    )
    def test_part_of_the_file_is_sent(self, client: Client, url: str, wanted: str, part: slice) -> None:
        whole = client.get(url)
        assert whole.headers["Accept-Ranges"] == "bytes"
        response = client.get(url, headers={"range": wanted})
        assert (response.status_code, response.content) == (206, whole.content[part])
        first, last, _ = part.indices(len(whole.content))
        assert response.headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(whole.content)}"
        assert response.headers["ETag"] == whole.headers["ETag"]

    @pytest.mark.parametrize("wanted", ["bytes=1000000-", "bytes=1000000-2000000", "bytes=-0"])
    def test_part_beyond_the_end_is_refused(
        self, client: Client, url: str, row: Rendition, wanted: str
    ) -> None:
        response = client.get(url, headers={"range": wanted})
        assert (response.status_code, response.content) == (416, b"")
        assert response.headers["Content-Range"] == f"bytes */{row.byte_size}"

    @pytest.mark.parametrize(
        "wanted", ["bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", ""]
    )
    def test_other_ranges_are_ignored(self, client: Client, url: str, wanted: str) -> None:
        assert client.get(url, headers={"range": wanted}).status_code == 200

    def test_part_of_an_outdated_file_is_not_sent(self, client: Client, url: str, row: Rendition) -> None:
        date, tag = http_date(row.rendered_at.timestamp()), f'"{row.digest[:32]}"'
        later = http_date(row.rendered_at.timestamp() + 60)
        statuses = {
            condition: client.get(url, headers={"range": "bytes=0-1", "if-range": condition}).status_code
            for condition in (date, tag, later, '"other"', f"W/{tag}", "nonsense")
        }
        assert {condition for condition, status in statuses.items() if status == 206} == {date, tag}


def test_head_reads_no_file(
    client: Client, url: str, row: Rendition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "open", None)
    assert client.head(url).headers["Content-Length"] == str(row.byte_size)


def test_only_permanent_urls_have_a_date(client: Client, ready: Upload, url: str) -> None:
    date = client.get(url).headers["Last-Modified"]
    assert client.get(url, headers={"if-modified-since": date}).status_code == 304
    assert "Last-Modified" not in client.get(f"/i/{ready.pk}/small").headers


class TestDownload:
    @pytest.mark.parametrize(
        ("query", "disposition"),
        [
            ("download", 'attachment; filename="small.jpg"'),
            ("download=", 'attachment; filename="small.jpg"'),
            ("download=harbour", 'attachment; filename="harbour.jpg"'),
            ("download=../../x.exe", 'attachment; filename="x.exe.jpg"'),
            ("download=a%0d%0ab%22", 'attachment; filename="ab.jpg"'),
            ("download=Caf%C3%A9", "attachment; filename*=utf-8''Caf%C3%A9.jpg"),
            (f"download={'x' * 500}", f'attachment; filename="{"x" * 100}.jpg"'),
        ],
    )
    def test_file_is_saved_under_the_given_name(
        self, client: Client, url: str, query: str, disposition: str
    ) -> None:
        assert client.get(f"{url}?{query}").headers["Content-Disposition"] == disposition

    def test_name_of_the_upload_stays_secret(self, client: Client, ready: Upload, url: str) -> None:
        assert "photo" not in client.get(f"{url}?download").headers["Content-Disposition"]
        assert "Content-Disposition" not in client.get(url).headers


class TestOrigins:
    HEADERS = ("Cross-Origin-Resource-Policy", "Access-Control-Allow-Origin", "Vary")

    def found(self, client: Client, url: str) -> tuple[str | None, ...]:
        response = client.get(url, headers={"origin": "https://shop.example"})
        return tuple(response.headers.get(name) for name in self.HEADERS)

    def test_other_sites_may_only_show_pictures_by_default(self, client: Client, url: str) -> None:
        assert self.found(client, url) == (None, None, None)

    def test_every_site_may_use_them(self, client: Client, url: str, settings: Settings) -> None:
        configure(settings, PICTURE_ORIGINS=["*"])
        assert self.found(client, url) == ("cross-origin", "*", None)

    def test_only_named_sites_may_use_them(self, client: Client, url: str, settings: Settings) -> None:
        configure(settings, PICTURE_ORIGINS=["https://shop.example"])
        assert self.found(client, url) == ("cross-origin", "https://shop.example", "Origin")
        configure(settings, PICTURE_ORIGINS=["https://other.example"])
        assert self.found(client, url) == ("cross-origin", None, "Origin")

    def test_placeholders_are_included(self, client: Client, send: Send, settings: Settings) -> None:
        configure(settings, PICTURE_ORIGINS=["*"])
        assert self.found(client, f"/i/{send().pk}/small")[:2] == ("cross-origin", "*")


class TestProxy:
    def test_proxy_is_told_the_file(
        self, client: Client, url: str, row: Rendition, settings: Settings
    ) -> None:
        configure(settings, DELIVERY="accel")
        response = client.get(url)
        assert response.headers["X-Accel-Redirect"] == f"/_darkroom/{row.key}"
        assert (response.content, response.headers["Content-Type"]) == (b"", "image/jpeg")

    @pytest.mark.parametrize("name", ["X-Accel-Failed", "If-Unmodified-Since"])
    def test_file_is_sent_if_the_proxy_cannot(
        self, client: Client, url: str, row: Rendition, settings: Settings, name: str
    ) -> None:
        configure(settings, DELIVERY="accel")
        response = client.get(url, headers={name: http_date(row.rendered_at.timestamp())})
        assert len(response.content) == row.byte_size

    def test_proxy_keeps_only_public_pictures(
        self, client: Client, ready: Upload, url: str, settings: Settings
    ) -> None:
        name = "X-Accel-Expires"
        assert client.get(url).headers[name] == str(delivery.LIFE)
        configure(settings, NGINX_PURGE_URL=["http://127.0.0.1:1"])
        assert client.get(url).headers[name] == str(delivery.PURGED_LIFE)
        services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
        client.force_login(ready.owner)
        response = client.get(url)
        assert response.status_code == 200
        assert name not in response.headers


class TestMediaHost:
    HOST = "https://media.photos.example"

    def test_public_pictures_have_another_host(self, ready: Upload, url: str, settings: Settings) -> None:
        configure(settings, MEDIA_HOST=self.HOST)
        row = ready.shown_renditions()[0]
        assert links.rendition_path(ready, row).startswith(f"{self.HOST}/renditions/")
        assert ready.url("small").startswith(f"{self.HOST}/renditions/")

    def test_pictures_for_some_people_have_the_host_of_the_site(
        self, ready: Upload, row: Rendition, settings: Settings
    ) -> None:
        configure(settings, MEDIA_HOST=self.HOST)
        services.take_down(upload=ready, reason="It is not yours.")
        ready.refresh_from_db()
        assert links.rendition_path(ready, row).startswith("/renditions/")
        services.put_back(upload=ready)
        services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
        assert links.rendition_path(ready, row).startswith("/renditions/")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"DELIVERY": "nginx"}, "darkroom.E080"),
        ({"DELIVERY": "accel"}, None),
        ({"MEDIA_HOST": "media.photos.example"}, "darkroom.E081"),
        ({"MEDIA_HOST": "https://media.photos.example/x"}, "darkroom.E081"),
        ({"MEDIA_HOST": "https://"}, "darkroom.E081"),
        ({"MEDIA_HOST": "https://media.photos.example"}, None),
        ({"PICTURE_ORIGINS": ["shop.example"]}, "darkroom.E081"),
        ({"PICTURE_ORIGINS": ["*", "https://shop.example"]}, None),
        ({"NGINX_PURGE_URL": ["127.0.0.1:8082"]}, "darkroom.E081"),
        ({"NGINX_PURGE_URL": ["http://127.0.0.1:8082"]}, None),
    ],
)
def test_settings_that_cannot_work_are_refused(
    settings: Settings, values: dict[str, Any], error: str | None
) -> None:
    configure(settings, **values)
    found = {message.id for message in run_checks()} & {"darkroom.E080", "darkroom.E081"}
    assert found == ({error} if error else set())


def test_proxy_cannot_read_the_memory_of_a_process(settings: Settings) -> None:
    memory = {"BACKEND": "processing.storages.memory.MemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}
    configure(settings, DELIVERY="accel")
    assert "darkroom.E080" in {message.id for message in run_checks()}
