"""A new password ends the access that was given before it."""

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from myproject.accounts import addresses
from uploads import services


class NewPassword:
    """End all access from before a password change.

    Django reports every change to the validators: a reset, a person's own change, and those of the admin and
    of commands. A stronger hash of the same password does not count as a change.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        """Accept every password; the other validators decide."""

    def get_help_text(self) -> str:
        """Return a hint that no program can check."""
        return _("Use a password that you use nowhere else.")

    def password_changed(self, password: str, user: User | None = None) -> None:
        """Revoke the API tokens, disable the webhooks, end the event streams, and drop pending addresses."""
        if user is not None:
            addresses.drop_pending(user)
            services.end_access(person=user)
