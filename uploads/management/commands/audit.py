"""`manage.py audit`: compare the storage with the database."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from processing.storages.media import StorageUnavailable
from uploads.upkeep import audit
from uploads.upkeep.audit import Findings


class Command(BaseCommand):
    """Find missing, damaged and orphaned files, and fix them."""

    help = (
        "Compare the storage with the database, and report missing, damaged and unreferenced files. "
        "Reads every stored byte."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--fix", action="store_true", help="render broken renditions again, and remove unreferenced files"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="with --fix: change nothing, and report what would be fixed",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Audit, fix if asked to, and report."""
        try:
            findings = audit.audit()
            if options["fix"] and not options["dry_run"]:
                audit.fix(findings)
        except StorageUnavailable as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(findings), "ok": not findings.open}))
        else:
            self._print(findings, would_fix=options["fix"] and options["dry_run"])
        if findings.open:
            raise CommandError(f"{len(findings.open)} problems remain.")

    def _print(self, findings: Findings, *, would_fix: bool) -> None:
        for kind in ("missing", "damaged", "unreferenced"):
            for key in getattr(findings, kind):
                self.stdout.write(f"{kind}: {key}{self._remedy(findings, kind, key, would_fix=would_fix)}")
        self.stdout.write(
            f"{findings.checked} files checked: {len(findings.missing)} missing, "
            f"{len(findings.damaged)} damaged, {len(findings.unreferenced)} unreferenced."
        )

    def _remedy(self, findings: Findings, kind: str, key: str, *, would_fix: bool) -> str:
        if key in findings.fixed:
            return " (removed)" if kind == "unreferenced" else " (queued for rendering)"
        if key in findings.lost:
            return " (its owner has to upload it again)"
        return " (would be fixed)" if would_fix else ""
