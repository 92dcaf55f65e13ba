"""Commands that need the database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from processing.database.availability import DATABASE_UNAVAILABLE


class DatabaseCommand(BaseCommand):
    """A command that says so in one line if the database is unavailable."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        try:
            return super().execute(*args, **options)
        except DATABASE_UNAVAILABLE as error:
            raise CommandError(
                f"The database is unavailable: {str(error).strip()}. Run the command again later."
            ) from error
