"""Print a link that signs the demo person in."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from sesame.utils import get_query_string

from myproject.sub_path.urls import public_url


def demo_person() -> User:
    """Return the demo person, created on first use; an existing account of that name is not changed."""
    person, made = User.objects.get_or_create(
        username="demo", defaults={"email": "demo@localhost", "is_staff": True, "is_superuser": True}
    )
    if made:
        person.set_unusable_password()
        person.save(update_fields=["password"])
    return person


class Command(BaseCommand):
    """Create the demo person on first use, and print a one-click sign-in link."""

    help = "Print a link that signs in the demo person. It works once, for ten minutes."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Print the link; refuse if the setting `DEMO` is off, because the site then has no such URL."""
        if not settings.DEMO:
            raise CommandError(
                "This site has no demo. Set DEMO=1 for the site and for this command, as `make run` does."
            )
        query = get_query_string(demo_person())
        self.stdout.write(f"{public_url('sign_in_link')}{query}")
