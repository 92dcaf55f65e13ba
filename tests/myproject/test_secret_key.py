"""The secret key is rotated: sessions, mailed links and public URLs stay as they are."""

import secrets
from importlib import reload
from typing import Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client
from sesame.utils import get_query_string

from myproject.settings import security
from processing.models import Original, Rendition
from tests.conftest import MakeImage, Send
from uploads import completion, services
from uploads.models import Upload
from uploads.serving import links, private_links

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.any_database,
    pytest.mark.usefixtures("own_surroundings", "queued"),
]


def rotate(settings: Any) -> None:
    """Set a new key, and keep the old one as a fallback, as `docs/deployment.md` says."""
    old, settings.SECRET_KEY = settings.SECRET_KEY, secrets.token_urlsafe(64)
    settings.SECRET_KEY_FALLBACKS = [old]


def forget(settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = []


def test_fallbacks_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert security.SECRET_KEY_FALLBACKS == []
    with monkeypatch.context() as environment:
        environment.setenv("SECRET_KEY_FALLBACKS", "one,two")
        assert reload(security).SECRET_KEY_FALLBACKS == ["one", "two"]
    reload(security)


def test_session_survives_a_rotation(settings: Any, client: Client, owner: User) -> None:
    client.force_login(owner)
    rotate(settings)
    assert client.get("/").status_code == 200
    forget(settings)
    assert client.get("/").status_code == 200, "the first request after the rotation renews the session"


def test_session_ends_with_its_key(settings: Any, client: Client, owner: User) -> None:
    client.force_login(owner)
    rotate(settings)
    forget(settings)
    assert client.get("/").status_code == 302


def test_message_survives_a_rotation(settings: Any) -> None:
    signed = signing.get_cookie_signer().sign("Saved.")
    rotate(settings)
    assert signing.get_cookie_signer().unsign(signed) == "Saved."


def test_mailed_links_survive_a_rotation(settings: Any, owner: User) -> None:
    address = EmailAddress.objects.create(user=owner, email=owner.email)
    reset, verification = default_token_generator.make_token(owner), EmailConfirmationHMAC(address).key
    rotate(settings)
    assert default_token_generator.check_token(owner, reset)
    assert EmailConfirmationHMAC.from_key(verification)
    forget(settings)
    assert not default_token_generator.check_token(owner, reset)
    assert EmailConfirmationHMAC.from_key(verification) is None


@pytest.mark.usefixtures("demo")
def test_demo_link_survives_a_rotation(settings: Any, client: Client, owner: User) -> None:
    query = get_query_string(owner)
    rotate(settings)
    client.get(f"/accounts/link/{query}")
    assert client.session["_auth_user_id"] == str(owner.pk)


def test_public_urls_survive_a_rotation(
    settings: Any, client: Client, send: Send, stranger: User, make_image: MakeImage
) -> None:
    upload = send()
    completion.run_here(upload)
    urls = {links.rendition_path(upload, row) for row in Rendition.objects.all()}
    public_key = Original.objects.get().public_key
    rotate(settings)
    forget(settings)

    again, others = send(), send(by=stranger)
    assert (again, Original.objects.get().public_key) == (upload, public_key)
    services.reprocess_here(upload=upload, force=True)
    completion.run_here(others)
    assert {links.rendition_path(upload, row) for row in Rendition.objects.all()} == urls
    assert {client.get(url).status_code for url in urls} == {200}
    new = send(make_image(seed=50))
    completion.run_here(new)
    assert new.original.public_key != public_key


def test_private_link_survives_a_rotation(settings: Any, client: Client, send: Send) -> None:
    upload = send()
    completion.run_here(upload)
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    made = private_links.make(upload=upload)
    rotate(settings)
    forget(settings)
    assert client.get(links.picture_path(upload, "thumb", token=made.token)).status_code == 200
