"""`manage.py drf_create_token`: create a token for a person, and print its key."""

from django.contrib.auth import get_user_model
from django.db import transaction
from rest_framework.authtoken.management.commands import drf_create_token

from uploads.management.database import DatabaseCommand
from uploads.models import Token
from uploads.tokens import issuing
from uploads.tokens.issuing import Issued


class Command(DatabaseCommand, drf_create_token.Command):
    """Django REST framework's command, with our tokens.

    It prints another key each time, because only digests are stored.
    """

    help = "Create a token with the scope `all` for a user, and print its key"

    @transaction.atomic
    def create_user_token(self, username: str, reset_token: bool) -> Issued:  # type: ignore[override]  # our token
        """Issue a token; with `reset_token`, revoke all others of the user first."""
        user = get_user_model().objects.get_by_natural_key(username)
        if reset_token:
            issuing.revoke_tokens(user)
        return issuing.issue(owner=user, name="drf_create_token", scope=Token.Scope.ALL)
