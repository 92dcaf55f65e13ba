"""`manage.py doctor`: examine each part of the site."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from uploads.monitoring.doctor.examination import PARTS, examine


class Command(BaseCommand):
    """Make a round trip through each part of the site, and say in words what is wrong."""

    help = (
        "Make a round trip through each part of the site, and say in words what is wrong. "
        f"The parts are {', '.join(PARTS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("parts", nargs="*", metavar="PART", help="examine only these parts")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine, report, and fail if a part does not work."""
        unknown = [name for name in options["parts"] if name not in PARTS]
        if unknown:
            raise CommandError(f"There is no part {unknown[0]!r}. The parts are {', '.join(PARTS)}.")
        found = examine(options["parts"] or PARTS)
        problems = sum(map(bool, found.values()))
        if options["json"]:
            parts = {name: sentence or "ok" for name, sentence in found.items()}
            self.stdout.write(json.dumps({"ok": not problems, "parts": parts}))
        else:
            for name, sentence in found.items():
                self.stdout.write(f"{name}: {sentence or 'ok'}")
        if problems:
            raise CommandError(f"{problems} of {len(found)} parts do not work.")
