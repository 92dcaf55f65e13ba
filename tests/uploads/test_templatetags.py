"""`{% picture %}`: the existing files for every width and format, and the placeholder until then."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.template import Context, Template, TemplateSyntaxError
from django.test import Client
from django.utils import timezone

from processing import conf, renditions
from processing.conf import darkroom
from processing.models import Original, Rendition
from processing.presets import EXTENSIONS
from tests.conftest import MakeImage, Send
from uploads import completion, services
from uploads.models import Upload
from uploads.serving import private_links

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started"), pytest.mark.any_database]

Tags = list[tuple[str, dict[str, str]]]


class Reader(HTMLParser):
    """Collect the tags in HTML, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Tags = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))


def draw(upload: Upload | None, arguments: str = "", **context: Any) -> str:
    template = Template("{% load darkroom %}{% picture upload " + arguments + " %}")
    return template.render(Context({"upload": upload, **context}))


def tags(upload: Upload, arguments: str = "", **context: Any) -> Tags:
    reader = Reader()
    reader.feed(draw(upload, arguments, **context))
    return reader.tags


def image(upload: Upload, arguments: str = "", **context: Any) -> dict[str, str]:
    """Return the attributes of the `<img>`."""
    name, attributes = tags(upload, arguments, **context)[-1]
    assert name == "img"
    return attributes


def widths(srcset: str) -> list[int]:
    return [int(width) for width in re.findall(r" (\d+)w(?:,|$)", srcset)]


def seen(upload: Upload) -> Upload:
    """Return the upload with the rows that a page fetches with it."""
    return Upload.objects.shown().get(pk=upload.pk)


@pytest.fixture
def ready(send: Send, make_image: MakeImage) -> Upload:
    upload = send(make_image(width=1500, height=1000))
    completion.run_here(upload)
    return seen(upload)


def with_rows(owner: User, *, seed: int = 0, width: int = 3000, height: int = 2000, **fields: Any) -> Upload:
    """Return a ready upload with the rows of its renditions, but without their files."""
    original = Original.objects.create(
        content_hash=f"{seed:064x}",
        public_key=f"{seed:040x}",
        format="jpeg",
        width=width,
        height=height,
        byte_size=1,
        transparent=False,
        color="#123456",
        thumbhash="nhcKNJpweHd3B4iIh3d3iHCAB/eI",
    )
    now = timezone.now()
    state = {"status": "ready", "ready_at": now, "thumbnails_ready_at": now, **fields}
    upload = Upload.objects.create(owner=owner, original=original, filename="sea.jpg", **state)
    Rendition.objects.bulk_create(
        Rendition(
            original=original,
            preset=recipe.preset.name,
            format=recipe.format,
            fingerprint="0" * 16,
            key=f"renditions/ab/{seed:040x}/{recipe.preset.name}-0.{EXTENSIONS[recipe.format]}",
            width=recipe.preset.output_size((width, height))[0],
            height=recipe.preset.output_size((width, height))[1],
            byte_size=1,
            digest="0" * 64,
        )
        for recipe in renditions.wanted(original, conf.presets())
    )
    return seen(upload)


def configure(settings: Any, **presets: dict[str, Any]) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}


class TestReady:
    def test_srcset_has_every_width_up_to_that_of_the_preset(self, ready: Upload) -> None:
        found = tags(ready, 'preset="large" sizes="50vw" alt="The sea"')
        assert [name for name, _ in found] == ["picture", "source", "img"]
        source, shown = found[1][1], found[2][1]
        assert (source["type"], source["sizes"]) == ("image/webp", "50vw")
        assert widths(source["srcset"]) == widths(shown["srcset"]) == [320, 640, 1280]
        assert (shown["sizes"], shown["alt"]) == ("50vw", "The sea")
        assert (shown["width"], shown["height"]) == ("1280", "853")
        assert (shown["loading"], shown["decoding"]) == ("lazy", "async")
        assert "data-status" not in shown

    def test_every_url_of_the_srcset_is_served(self, ready: Upload, client: Client) -> None:
        for name, attributes in tags(ready, 'preset="medium"')[1:]:
            for address in re.findall(r"(\S+) \d+w", attributes["srcset"]):
                answer = client.get(address)
                assert answer.status_code == 200
                assert answer["Content-Type"] == attributes.get("type", "image/jpeg"), name
                assert "immutable" in answer["Cache-Control"]
        assert image(ready, 'preset="medium"')["src"] in image(ready, 'preset="medium"')["srcset"]

    def test_src_is_the_file_of_the_preset(self, ready: Upload) -> None:
        assert re.search(r"/medium-\w+\.jpg$", image(ready, 'preset="medium"')["src"])

    def test_default_is_the_largest_uncropped_preset(self, ready: Upload) -> None:
        assert draw(ready) == draw(ready, 'preset="large"')

    def test_small_original_is_listed_once_per_width(self, owner: User) -> None:
        upload = with_rows(owner, width=500, height=400)
        shown = image(upload, 'preset="xlarge"')
        assert widths(shown["srcset"]) == [320, 500]
        assert (shown["width"], shown["height"]) == ("500", "400")
        assert "/xlarge-0.jpg 500w" in shown["srcset"]

    def test_srcset_may_have_one_file(self, owner: User) -> None:
        upload = with_rows(owner, width=200, height=100)
        assert image(upload)["srcset"] == image(upload)["src"]

    def test_transparent_picture_has_png_and_no_background(self, send: Send, make_image: MakeImage) -> None:
        upload = send(make_image(format="PNG", mode="RGBA"))
        completion.run_here(upload)
        shown = image(seen(upload))
        assert shown["src"].endswith(".png")
        assert "style" not in shown

    def test_preset_that_is_not_rendered_uses_the_smaller_ones(self, owner: User, settings: Any) -> None:
        upload = with_rows(owner)
        settings.DARKROOM = {**settings.DARKROOM, "PRESETS": {**darkroom().presets, "huge": {"width": 2400}}}
        shown = image(upload, 'preset="huge"')
        assert widths(shown["srcset"]) == [320, 640, 1280, 1920]
        assert (shown["width"], shown["height"]) == ("2400", "1600")


class TestFormats:
    def test_best_format_is_first(self, owner: User, settings: Any) -> None:
        configure(settings, large={"width": 1280, "formats": ["jpeg", "webp", "avif"]})
        found = tags(with_rows(owner), 'preset="large"')
        assert [attributes["type"] for name, attributes in found if name == "source"] == [
            "image/avif",
            "image/webp",
        ]

    def test_format_without_the_largest_file_is_omitted(self, owner: User, settings: Any) -> None:
        configure(settings, small={"width": 320, "formats": ["avif", "webp", "jpeg"]}, large={"width": 1280})
        assert "image/avif" not in draw(with_rows(owner), 'preset="large"')
        assert "image/avif" in draw(with_rows(owner, seed=1), 'preset="small"')

    def test_src_uses_another_format_without_jpeg(self, owner: User, settings: Any) -> None:
        configure(settings, large={"width": 1280, "formats": ["avif", "webp"]})
        found = tags(with_rows(owner), 'preset="large"')
        assert [attributes.get("type") for _, attributes in found] == [None, "image/avif", None]
        assert found[-1][1]["src"].endswith(".webp")


CROPS: dict[str, dict[str, Any]] = {
    "square": {"width": 200, "height": 200, "mode": "fill"},
    "square2": {"width": 400, "height": 400, "mode": "fill"},
    "wide": {"width": 320, "height": 180, "mode": "fill"},
    "small": {"width": 320},
}


class TestFill:
    def test_crops_of_one_aspect_ratio_share_a_srcset(self, owner: User, settings: Any) -> None:
        configure(settings, **CROPS)
        upload = with_rows(owner)
        shown = image(upload, 'preset="square2"')
        assert widths(shown["srcset"]) == [200, 400]
        assert "square-0" in shown["srcset"]
        assert (shown["width"], shown["height"]) == ("400", "400")

    @pytest.mark.parametrize("name", ["square", "wide"])
    def test_crop_of_another_aspect_ratio_is_one_file(self, owner: User, settings: Any, name: str) -> None:
        configure(settings, **CROPS)
        shown = image(with_rows(owner), f'preset="{name}"')
        assert shown["srcset"] == shown["src"]
        assert f"/{name}-0.jpg" in shown["src"]


class TestPrivate:
    @pytest.fixture
    def private(self, ready: Upload) -> Upload:
        services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
        return seen(ready)

    def addresses(self, upload: Upload, **context: Any) -> list[str]:
        found = tags(upload, 'preset="medium" link=link', **context)[1:]
        return [
            address for _, attributes in found for address in re.findall(r"(\S+) \d+w", attributes["srcset"])
        ]

    def test_every_address_has_the_link(self, private: Upload, client: Client) -> None:
        token = private_links.make(upload=private).token
        found = self.addresses(private, link=token)
        assert len(found) == 4
        for address in found:
            assert re.fullmatch(rf"/i/[0-9a-f-]+/\w+\.\w+\?link={token}", address)
            assert client.get(address).status_code == 200
            assert client.get(address.partition("?")[0]).status_code == 404

    def test_without_a_link_its_owner_alone_sees_it(
        self, private: Upload, client: Client, owner: User
    ) -> None:
        found = self.addresses(private, link="")
        assert {client.get(address).status_code for address in found} == {404}
        client.force_login(owner)
        assert {client.get(address).status_code for address in found} == {200}

    def test_one_that_waits_has_the_link_too(self, send: Send, client: Client) -> None:
        upload = send()
        services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
        token = private_links.make(upload=upload).token
        assert client.get(image(seen(upload), "link=link", link=token)["src"]).status_code == 202
        assert client.get(image(seen(upload))["src"]).status_code == 404

    def test_an_upload_that_is_not_private_has_no_link(self, ready: Upload) -> None:
        assert "link=" not in draw(ready, 'link="a-token"')


class TestNotReady:
    def test_placeholder_has_the_aspect_ratio(self, send: Send, client: Client) -> None:
        upload = send()
        shown = image(seen(upload), 'preset="small"')
        assert tags(seen(upload))[0][0] == "picture"
        assert shown["src"] == f"/i/{upload.pk}/small"
        assert client.get(shown["src"]).status_code == 202
        assert (shown["width"], shown["height"]) == ("320", "213")
        assert (shown["data-upload"], shown["data-status"]) == (str(upload.pk), "pending")
        assert "srcset" not in shown

    def test_placeholder_colours_are_hidden_before_the_thumbnails(self, owner: User) -> None:
        upload = with_rows(owner, status="processing", ready_at=None, thumbnails_ready_at=None)
        for placeholder in ("color", "thumbhash"):
            assert "style" not in image(upload, f'placeholder="{placeholder}"')

    def test_thumbnail_is_shown_when_it_is_ready(self, owner: User) -> None:
        upload = with_rows(owner, status="processing", ready_at=None)
        shown = image(upload, 'preset="thumb"')
        assert shown["src"].endswith("/thumb-0.jpg")
        assert "data-status" not in shown
        shown = image(upload, 'preset="large"')
        assert (shown["src"], shown["data-status"]) == (f"/i/{upload.pk}/large", "processing")

    def test_thumbnail_does_not_replace_a_larger_preset(self, owner: User, settings: Any) -> None:
        configure(settings, tiny={"width": 200, "height": 200}, large={"width": 1280})
        upload = with_rows(owner, status="processing", ready_at=None)
        assert image(upload, 'preset="large"')["src"] == f"/i/{upload.pk}/large"

    def test_failed_upload_shows_an_image_with_its_alt_text(self, owner: User) -> None:
        upload = with_rows(owner, status="failed", ready_at=None, thumbnails_ready_at=None)
        shown = image(upload, 'alt="The sea"')
        assert shown["src"] == "/static/uploads/failed.svg"
        assert (shown["alt"], shown["width"], shown["height"]) == ("The sea", "1280", "853")
        assert shown["data-status"] == "failed"

    def test_reprocessed_upload_that_failed_keeps_its_renditions(self, owner: User) -> None:
        upload = with_rows(owner, status="failed")
        assert image(upload)["src"].endswith("/large-0.jpg")

    def test_missing_or_deleted_upload_renders_nothing(self, owner: User) -> None:
        assert draw(None) == ""
        upload = with_rows(owner)
        services.delete_upload(upload=upload)
        upload.refresh_from_db()
        assert draw(upload) == ""


class TestPlaceholder:
    def test_dominant_colour_is_the_default_placeholder(self, owner: User) -> None:
        upload = with_rows(owner)
        assert image(upload)["style"] == "background-color:#123456"
        assert "style" not in image(upload, 'placeholder="none"')

    def test_thumbhash_is_rendered_as_background(self, owner: User) -> None:
        style = image(with_rows(owner), 'placeholder="thumbhash"')["style"]
        assert re.fullmatch(
            r"background:url\(data:image/png;base64,[A-Za-z0-9+/=]{100,}\) center/cover", style
        )


class TestArguments:
    def test_arguments_are_escaped(self, owner: User) -> None:
        upload, nasty = with_rows(owner), '"><script>alert(1)</script>'
        arguments = "alt=nasty sizes=nasty css_class=nasty loading=nasty fetchpriority=nasty"
        text = (
            "{% load darkroom %}{% autoescape off %}{% picture upload " + arguments + " %}{% endautoescape %}"
        )
        assert "<script>" not in Template(text).render(Context({"upload": upload, "nasty": nasty}))
        shown = image(upload, arguments, nasty=nasty)
        assert shown["alt"] == shown["sizes"] == shown["class"] == nasty

    def test_loading_and_priority_are_passed_on(self, owner: User) -> None:
        shown = image(with_rows(owner), 'loading="eager" fetchpriority="high" css_class="hero"')
        assert (shown["loading"], shown["fetchpriority"], shown["class"]) == ("eager", "high", "hero")

    @pytest.mark.parametrize(
        ("arguments", "alt"),
        [("", "The sea"), ('alt=""', ""), ('alt="A boat"', "A boat"), ("alt=missing", "")],
    )
    def test_alt_is_that_of_the_upload_by_default(self, owner: User, arguments: str, alt: str) -> None:
        assert image(with_rows(owner, alt="The sea"), arguments)["alt"] == alt

    def test_empty_arguments_are_left_out(self, owner: User) -> None:
        shown = image(with_rows(owner))
        assert shown["alt"] == ""
        assert "class" not in shown
        assert "fetchpriority" not in shown

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (
                'preset="hugh"',
                "There is no preset 'hugh'. Known presets: large, medium, small, thumb, xlarge",
            ),
            ('placeholder="colour"', "placeholder is 'colour'; it must be one of color, thumbhash, none"),
        ],
    )
    def test_invalid_argument_error_lists_the_valid_ones(self, arguments: str, words: str) -> None:
        with pytest.raises(TemplateSyntaxError, match=words):
            draw(None, arguments)

    def test_numbers_are_not_localised(self, owner: User, settings: Any) -> None:
        settings.USE_THOUSAND_SEPARATOR = True
        assert image(with_rows(owner))["width"] == "1280"


class TestDefault:
    def test_missing_upload_shows_the_default(self) -> None:
        found = draw(None, 'default="/static/none.svg" alt="No picture" css_class="photo"')
        assert found.strip() == (
            '<picture><img src="/static/none.svg" alt="No picture" class="photo" loading="lazy" '
            'decoding="async"></picture>'
        )

    def test_deleted_upload_shows_the_default(self, owner: User) -> None:
        upload = with_rows(owner)
        upload.deleted_at = timezone.now()
        assert image(upload, 'default="/static/none.svg"')["src"] == "/static/none.svg"

    def test_upload_comes_before_the_default(self, owner: User) -> None:
        assert image(with_rows(owner), 'default="/static/none.svg"')["src"].startswith("/renditions/")

    @pytest.mark.parametrize("value", ["", b"sent", ContentFile(b"sent")])
    def test_file_that_is_not_stored_yet_shows_nothing(self, value: Any) -> None:
        assert draw(value).strip() == ""


class TestOffer:
    def test_largest_offered_preset_is_shown_by_default(self, owner: User) -> None:
        upload = with_rows(owner)
        upload.offered = ("thumb", "small", "xlarge")
        assert image(upload)["width"] == "1920"
        assert widths(image(upload)["srcset"]) == [320, 1920]

    def test_another_preset_is_an_error(self, owner: User) -> None:
        upload = with_rows(owner)
        upload.offered = ("thumb", "small")
        with pytest.raises(TemplateSyntaxError, match=r"no preset 'large'\. Known presets: small, thumb"):
            draw(upload, 'preset="large"')


@pytest.mark.parametrize("visibility", Upload.Visibility.values)
def test_fifty_pictures_use_no_query_each(
    owner: User, visibility: str, django_assert_num_queries: Any
) -> None:
    for seed in range(50):
        with_rows(owner, seed=seed, visibility=visibility)
    with django_assert_num_queries(3):
        drawn = [draw(upload) for upload in Upload.objects.shown().filter(owner=owner)]
    assert len(drawn) == 50
    assert all("srcset" in text for text in drawn)
