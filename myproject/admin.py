"""The admin of this site: its sign-in, its title, and people."""

from functools import partial
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from myproject.leaving import deletion
from uploads.events import wakeups
from uploads.models import Upload

admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]  # the class takes no argument when it runs
    """People, with actions that suspend and reinstate them.

    A suspended person is one whose `is_active` is false. Every access check reads it at the time of use, so
    nothing is deleted, and reinstating restores everything. When staff delete a person, everything of theirs
    is deleted too, as when people delete their accounts themselves.
    """

    list_display = ("username", "email", "first_name", "last_name", "is_staff", "is_active")
    actions = ("suspend", "reinstate")

    @admin.action(
        description=_("Suspend: end all access, and serve nothing of theirs"), permissions=["change"]
    )
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Suspend the selected people, but not oneself; only a superuser can suspend a superuser."""
        spared = [person for person in queryset if not _may_suspend(request, person)]
        for person in spared:
            messages.error(request, gettext("You cannot suspend %(name)s.") % {"name": person.username})
        people = queryset.filter(is_active=True).exclude(pk__in=[person.pk for person in spared])
        number = self._switch(request, people, active=False)
        _tell(request, ngettext("%d person suspended.", "%d people suspended.", number) % number)

    @admin.action(description=_("Reinstate: restore all access"), permissions=["change"])
    def reinstate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End the suspension of the selected people."""
        number = self._switch(request, queryset.filter(is_active=False), active=True)
        _tell(request, ngettext("%d person reinstated.", "%d people reinstated.", number) % number)

    @transaction.atomic
    def _switch(self, request: HttpRequest, people: QuerySet[User], *, active: bool) -> int:
        """Switch people on or off, with an entry of the admin's log for each; return their number."""
        switched = list(people.select_for_update(of=("self",)))
        for person in switched:
            person.is_active = active
            self.save_model(request, person, form=None, change=True)
            # The log keeps the text as it is, so it is not translated.
            self.log_change(request, person, "Reinstated." if active else "Suspended.")
        return len(switched)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save a person, and let the person's event streams check at once whether they must end."""
        super().save_model(request, obj, form, change)
        transaction.on_commit(partial(wakeups.tell, obj.pk))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Return each person with the number of images. Their rows are read-only here, but deleted too."""
        counts = [Upload.objects.live().filter(owner=person).count() for person in objs]
        lines = [
            ngettext("%(person)s, with %(count)d image", "%(person)s, with %(count)d images", count)
            % {"person": person, "count": count}
            for person, count in zip(objs, counts, strict=True)
        ]
        return lines, {str(User._meta.verbose_name_plural): len(lines)}, set(), []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete a person."""
        deletion.remove(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete the selected people."""
        for person in queryset:
            deletion.remove(request, person)


def sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Send visitors to the site's sign-in page, which limits attempts; answer 404 to non-staff."""
    if request.user.is_authenticated and not request.user.is_staff:
        raise Http404
    answer: HttpResponse = _to_sign_in(request)
    return answer


def _may_suspend(request: HttpRequest, person: User) -> bool:
    return person != request.user and (request.user.is_superuser or not person.is_superuser)


def _tell(request: HttpRequest, text: str) -> None:
    messages.success(request, text)


_to_sign_in = secure_admin_login(admin.site.login)
admin.site.login = sign_in  # type: ignore[method-assign]
admin.site.site_header = "Darkroom"
admin.site.site_title = "Darkroom"
admin.site.index_title = _("Images and people")
