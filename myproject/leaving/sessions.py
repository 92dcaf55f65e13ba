"""Delete a deleted person's sessions: they give no access, but name the person until they expire."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models.signals import pre_delete
from django.dispatch import receiver

# Reading a session takes some 30 µs. The nightly clean-up removes the person's sessions beyond these.
_NEWEST = 5000


@receiver(pre_delete, sender=User)
def delete_sessions(instance: User, **_arguments: Any) -> None:
    """Delete the person's sessions among the newest. Each has to be read, because its content is encoded."""
    sessions = Session.objects.order_by("-expire_date")[:_NEWEST].iterator()
    named = [one.pk for one in sessions if one.get_decoded().get(SESSION_KEY) == str(instance.pk)]
    Session.objects.filter(pk__in=named).delete()
