"""What the web process and the workers do when they start."""

from django.core.management.base import BaseCommand, SystemCheckError


def refuse_errors() -> None:
    """End the process if a system check finds an error, with all of them on the standard error output.

    `manage.py` does the same before its commands; a server does not start through it.
    """
    try:
        BaseCommand().check()
    except SystemCheckError as error:
        raise SystemExit(str(error)) from None
