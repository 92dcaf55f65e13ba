"""Sessions in the database. A person stays signed in while it refuses writes."""

from django.contrib.sessions.backends import db

from processing.database.availability import refuses_writes


class SessionStore(db.SessionStore):
    """Django's sessions. It renews them on a page that only reads, if `SECRET_KEY` has been rotated."""

    _is_kept = False

    def cycle_key(self) -> None:
        """Give the session another key, unless the database refuses writes: then keep it as it is.

        A sign-in does so too. It fails afterwards, because Django records its time.
        """
        self._is_kept = refuses_writes()
        if not self._is_kept:
            super().cycle_key()

    def save(self, must_create: bool = False) -> None:
        """Save the session, unless it is kept."""
        if not self._is_kept:
            super().save(must_create)
