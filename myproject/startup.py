"""Checks that the web process and the workers run when they start."""

from django.core.management.base import BaseCommand, SystemCheckError


def refuse_errors() -> None:
    """End the process if a system check fails, and print all errors on standard error.

    `manage.py` runs the checks before its commands, but servers do not start through it.
    """
    try:
        BaseCommand().check()
    except SystemCheckError as error:
        raise SystemExit(str(error)) from None
