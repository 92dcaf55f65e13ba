"""Owners: who sends images, who sees them, who is told of them, and what limits them.

By default each user is an owner. A project may have another model (`UPLOADS_OWNER_MODEL`) and other rules
(`UPLOADS_OWNERS`); `docs/owners.md` explains both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.signals import setting_changed
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.module_loading import import_string

from processing.conf import darkroom

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A row of the owner model. Darkroom uses only its primary key, its `str()`, and the manager `objects`.
Owner: TypeAlias = Any
DEFAULT = "uploads.owners.Owners"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one owner. `docs/settings.md` describes each under the same name."""

    quota_images: int
    quota_bytes: int
    uploads_per_person: str
    reprocessings_per_person: str
    focuses_per_person: str
    changes_per_person: str
    webhook_tests_per_person: str

    @classmethod
    def of_settings(cls) -> Limits:
        """Return the limits that the settings give to every owner."""
        return cls(**{field.name: getattr(darkroom(), field.name) for field in fields(cls)})


class Owners:
    """The rules about owners. A project overrides methods in a subclass, which `UPLOADS_OWNERS` names.

    - `active_field`: the Boolean field of the owner model that is false while an owner is suspended; "" if
      there is none.
    - `admits_visitors`: whether a visitor may open the upload page and send an image; `begin` then makes the
      visitor's owner.
    """

    active_field = "is_active"
    admits_visitors = False

    def of(self, request: HttpRequest) -> Owner | None:
        """Return the owner for whom a request acts, or None.

        `request.user` is the user who signed in by session or token. This is called several times for a
        request, and must not write.
        """
        return request.user if request.user.is_authenticated else None

    def begin(self, request: HttpRequest) -> Owner:
        """Make and return the owner of a visitor who sends a first image; `of` must find it afterwards."""
        raise NotImplementedError("A class that admits visitors must define `begin`.")

    def may_see(self, request: HttpRequest, upload: Any) -> bool:
        """Return whether a request may see a private upload, and download its original."""
        owner = self.of(request)
        return owner is not None and owner.pk == upload.owner_id

    def recipient(self, owner: Owner) -> User | None:
        """Return the user who gets an owner's emails, or None."""
        return owner if isinstance(owner, get_user_model()) else None

    def language(self, owner: Owner) -> str:
        """Return the language of an owner's notices, or "" for the one that the recipient has chosen."""
        return ""

    def limits(self, owner: Owner) -> Limits:
        """Return the limits of an owner. Limits that staff set in the admin override the quota."""
        return Limits.of_settings()

    def find(self, name: str) -> Owner | None:
        """Return the owner of this name, which an operator gave to a command, or None."""
        manager = owner_model().objects
        by_name = getattr(manager, "get_by_natural_key", None)
        try:
            return by_name(name) if by_name else manager.get(pk=name)
        except (ObjectDoesNotExist, ValidationError, ValueError):
            return None

    def is_active(self, owner: Owner) -> bool:
        """Return whether an owner is not suspended. `active_field` decides, here and in queries."""
        return not self.active_field or bool(getattr(owner, self.active_field))

    def active(self, path: str = "") -> Q:
        """Return the condition for rows whose owner is not suspended; `path` leads to the owner."""
        if not self.active_field:
            return Q()
        return Q(**{f"{path}__{self.active_field}" if path else self.active_field: True})


def owner_model_name() -> str:
    """Return the name of the owner model, such as `auth.User`. Models and migrations refer to it."""
    return getattr(settings, "UPLOADS_OWNER_MODEL", "") or settings.AUTH_USER_MODEL


def owner_model() -> Any:
    """Return the owner model."""
    return apps.get_model(owner_model_name())


def rules_path() -> str:
    """Return the dotted path of the class with the rules about owners."""
    return getattr(settings, "UPLOADS_OWNERS", "") or DEFAULT


@cache
def owners() -> Owners:
    """Return the project's rules about owners."""
    rules: type[Owners] = import_string(rules_path())
    return rules()


def owner_of(request: HttpRequest) -> Owner | None:
    """Return the owner for whom a request acts, or None if there is none or it is suspended."""
    owner = owners().of(request)
    return owner if owner is not None and owners().is_active(owner) else None


def admits(request: HttpRequest) -> bool:
    """Return whether a request may send an image: it acts for an owner, or a visitor may begin one."""
    return owner_of(request) is not None or (owners().admits_visitors and owners().of(request) is None)


def sender_of(request: HttpRequest) -> Owner | None:
    """Return the owner of an image that a request sends, newly made for a visitor; None if it may not send.

    Call this when the image is about to be stored, and not for a request that is refused.
    """
    if owner := owner_of(request):
        return owner
    return owners().begin(request) if admits(request) else None


@receiver(setting_changed)
def forget(*, setting: str, **kwargs: Any) -> None:
    """Read the setting again after a test has overridden it."""
    if setting == "UPLOADS_OWNERS":
        owners.cache_clear()
