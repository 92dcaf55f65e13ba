"""Delete a deleted person's sessions: they give no access, but name the person until they expire."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models.signals import pre_delete
from django.dispatch import receiver


@receiver(pre_delete, sender=User)
def delete_sessions(instance: User, **_arguments: Any) -> None:
    """Delete the person's sessions. All have to be read, because their content is encoded."""
    sessions = Session.objects.iterator()
    named = [one.pk for one in sessions if one.get_decoded().get(SESSION_KEY) == str(instance.pk)]
    Session.objects.filter(pk__in=named).delete()
