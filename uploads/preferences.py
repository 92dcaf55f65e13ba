"""What people have chosen: how much mail they want."""

from django.contrib.auth.models import User

from uploads.models import Preferences


def email_choice(person: User) -> str:
    """Return which mail a person wants: one of `Preferences.Email`, a digest where nothing was chosen."""
    chosen = Preferences.objects.filter(owner=person).values_list("email", flat=True).first()
    return chosen or Preferences.Email.DIGEST


def choose_email(*, person: User, choice: str) -> None:
    """Note which mail a person wants from now on; mail that is on its way still comes."""
    Preferences.objects.update_or_create(owner=person, defaults={"email": choice})
