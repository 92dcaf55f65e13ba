"""What the web process and the workers do when they start."""

from django.core import checks
from django.core.management.color import color_style


def refuse_errors() -> None:
    """End the process if a system check finds an error, with all of them on the standard error output.

    `manage.py` does the same before its commands; a server does not start through it.
    """
    found = [message for message in checks.run_checks() if message.is_serious(checks.ERROR)]
    errors = [message for message in found if not message.is_silenced()]
    if errors:
        style = color_style()
        raise SystemExit("\n".join([style.ERROR("The settings have errors:"), *map(str, errors)]))
