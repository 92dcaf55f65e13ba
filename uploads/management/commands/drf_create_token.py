"""`manage.py drf_create_token`: create a token for a person, and print its key."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db import transaction

from uploads.management.database import DatabaseCommand
from uploads.models import Token
from uploads.tokens import issuing


class Command(DatabaseCommand):
    """The command of Django REST framework, with our tokens.

    It prints another key each time, because only digests are stored.
    """

    help = "Create a token with the scope `all` for a user, and print its key"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options, which are those of Django REST framework."""
        parser.add_argument("username", help="the name of the user")
        parser.add_argument(
            "-r", "--reset", action="store_true", dest="reset_token", help="revoke the user's other tokens"
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Issue a token; with `--reset`, revoke all others of the user first."""
        name, model = options["username"], get_user_model()
        try:
            user = model.objects.get_by_natural_key(name)
        except model.DoesNotExist:
            raise CommandError(f"The user {name} does not exist.") from None
        if options["reset_token"]:
            issuing.revoke_tokens(user)
        issued = issuing.issue(owner=user, name="drf_create_token", scope=Token.Scope.ALL)
        self.stdout.write(f"Generated token {issued.key} for user {name}")
