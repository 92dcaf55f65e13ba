"""Owners: users by default, and whatever a project says: services, tenants, visitors."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import AnonymousUser, User
from django.core.checks import run_checks
from django.db.models import Q
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from tests.conftest import Send, key_of
from uploads import completion, services
from uploads.models import Delivery, Upload
from uploads.notices import preferences
from uploads.owners import Limits, Owners, owner_model, owner_of, owners, sender_of
from uploads.receiving import quotas, rate_limits

ROOT = Path(site.BASE_DIR)
KINDS = ("services", "tenants", "visitors")


def rules(settings: Any, name: str) -> None:
    """Let a class of this module rule about owners."""
    settings.UPLOADS_OWNERS = f"{__name__}.{name}"


def request_of(user: User | AnonymousUser) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request


class TestUsers:
    """By default, each user is an owner."""

    def test_request_acts_for_the_user_who_has_signed_in(self, owner: User) -> None:
        assert owner_model() is User
        assert owner_of(request_of(owner)) == owner
        assert owner_of(request_of(AnonymousUser())) is None
        assert sender_of(request_of(AnonymousUser())) is None

    def test_suspended_user_is_no_owner(self, owner: User) -> None:
        owner.is_active = False
        assert owner_of(request_of(owner)) is None

    def test_user_gets_the_emails(self, owner: User) -> None:
        assert owners().recipient(owner) == owner
        preferences.choose_language(person=owner, language="de")
        assert preferences.language_for(owner) == "de"

    def test_user_is_found_by_name(self, owner: User) -> None:
        assert owners().find("ada") == owner
        assert owners().find("nothing") is None

    def test_limits_are_those_of_the_settings(self, owner: User, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "QUOTA_IMAGES": 7}
        assert owners().limits(owner).quota_images == 7

    def test_queries_leave_out_suspended_users(self, owner: User, stranger: User) -> None:
        User.objects.filter(pk=stranger.pk).update(is_active=False)
        assert list(User.objects.filter(owners().active())) == [owner]
        assert owners().active("event__owner") == Q(event__owner__is_active=True)


class StaffSees(Owners):
    def may_see(self, request: Any, upload: Any) -> bool:
        return request.user.is_staff or super().may_see(request, upload)


class Generous(Owners):
    """Staff keep two images, and others one. All send two in an hour."""

    def limits(self, owner: User) -> Limits:
        return replace(
            super().limits(owner),
            quota_images=2 if owner.is_staff else 1,
            uploads_per_person="2/hour",
            changes_per_person="1/hour",
        )


class Silent(Owners):
    """No user gets emails, and notices are in German."""

    def recipient(self, owner: User) -> None:
        return None

    def language(self, owner: User) -> str:
        return "de"


class AlwaysActive(Owners):
    """No owner is ever suspended."""

    active_field = ""


class Open(Owners):
    """Visitors are admitted, but no owner is made for them."""

    admits_visitors = True


class Misspelled(Owners):
    active_field = "is_activ"


class Unrelated:
    pass


def test_rule_decides_who_sees_private_images(
    settings: Any, send: Send, stranger: User, client: Client
) -> None:
    upload = send()
    completion.run_here(upload)
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    User.objects.update(is_staff=True)
    client.force_login(stranger)
    path = f"/i/{upload.pk}/thumb"
    assert client.get(path).status_code == 404
    rules(settings, "StaffSees")
    assert client.get(path).status_code == 200
    assert Client().get(path).status_code == 404
    assert client.get(f"/api/uploads/{upload.pk}/").status_code == 404


def test_scope_of_a_token_limits_what_the_rule_shows(settings: Any, send: Send, stranger: User) -> None:
    rules(settings, "StaffSees")
    User.objects.filter(pk=stranger.pk).update(is_staff=True)
    upload = send()
    completion.run_here(upload)
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    statuses = []
    for scope in ("upload", "read"):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(stranger, scope)}")
        statuses.append(client.get(f"/i/{upload.pk}/thumb").status_code)
    assert statuses == [404, 200]


@pytest.mark.parametrize(("is_staff", "images"), [(False, 1), (True, 2)])
def test_rule_decides_the_quota(settings: Any, owner: User, is_staff: bool, images: int) -> None:
    rules(settings, "Generous")
    owner.is_staff = is_staff
    assert quotas.usage_of(owner).max_images == images


@pytest.mark.usefixtures("redis_client")
def test_rule_decides_the_rate_limits(settings: Any, owner: User) -> None:
    rules(settings, "Generous")
    rate_limits.take_action(person=owner, action=rate_limits.Action.CHANGE)
    with pytest.raises(rate_limits.RateLimited):
        rate_limits.take_action(person=owner, action=rate_limits.Action.CHANGE)
    rate_limits.take(person=owner, address="192.0.2.1", count=2)
    with pytest.raises(rate_limits.RateLimited):
        rate_limits.take(person=owner, address="192.0.2.1")
    rate_limits.take(person=None, address="192.0.2.1")


def test_owner_without_a_recipient_has_notices_and_no_email(settings: Any, send: Send) -> None:
    rules(settings, "Silent")
    completion.run_here(send())
    notice = Delivery.objects.get()
    assert (notice.channel, notice.subject) == (Delivery.Channel.IN_APP, "photo.jpg ist fertig")


def test_without_an_active_field_no_owner_is_suspended(settings: Any, owner: User, send: Send) -> None:
    rules(settings, "AlwaysActive")
    User.objects.update(is_active=False)
    assert not Upload.objects.get(pk=send().pk).is_withheld
    assert User.objects.filter(owners().active()).exists()


def errors() -> set[str | None]:
    return {message.id for message in run_checks()} & {f"darkroom.E04{number}" for number in range(5)}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("UPLOADS_OWNERS", "nothing.at.all", "darkroom.E041"),
        ("UPLOADS_OWNERS", f"{__name__}.Unrelated", "darkroom.E041"),
        ("UPLOADS_OWNERS", f"{__name__}.Misspelled", "darkroom.E042"),
        ("UPLOADS_OWNERS", f"{__name__}.Open", "darkroom.E043"),
        ("UPLOADS_OWNER_MODEL", "auth.Nothing", "darkroom.E040"),
        ("UPLOADS_OWNER_MODEL", "nothing", "darkroom.E040"),
        ("UPLOADS_OWNER_MODEL", "auth.Group", "darkroom.E044"),
    ],
)
def test_rules_that_cannot_work_are_refused(settings: Any, name: str, value: str, error: str) -> None:
    assert errors() == set()
    setattr(settings, name, value)
    assert error in errors()


def classes_of(source: str) -> dict[str, str]:
    """Return the code of each class by its name, without docstrings and types."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            if isinstance(node, ast.FunctionDef):
                node.returns = None
                for argument in node.args.args:
                    argument.annotation = None
            if ast.get_docstring(node):
                del node.body[0]
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def test_documented_examples_are_the_tested_ones() -> None:
    documented: dict[str, str] = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "owners.md").read_text(), re.DOTALL):
        documented |= classes_of(block)
    tested: dict[str, str] = {}
    for kind in KINDS:
        for name in ("models", "rules"):
            tested |= classes_of((ROOT / "tests/uploads/owners" / kind / f"{name}.py").read_text())
    tested |= classes_of(Path(__file__).read_text())
    assert documented == {name: tested[name] for name in documented}
    assert {"ServiceOwners", "TenantOwners", "VisitorOwners", "StaffSees"} <= documented.keys()


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.parametrize("kind", KINDS)
def test_site_with_other_owners(kind: str) -> None:
    """Run the tests of `tests/uploads/owners` with these owners: models cannot change in this process."""
    command = [
        sys.executable, "-m", "pytest", f"tests/uploads/owners/{kind}/behaviour.py", "-q",
        "-p", "no:cacheprovider", "--ds=tests.uploads.owners.settings",
    ]  # fmt: skip
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    finished = subprocess.run(
        command,
        cwd=ROOT,
        env={**ours, "OWNERS": kind},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
