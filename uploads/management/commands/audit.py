"""`manage.py audit`: compare the storage with the database."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError

from processing.garbage import generations
from processing.garbage.generations import GenerationDiffers
from processing.storages.media import StorageUnavailable
from uploads.management.database import DatabaseCommand
from uploads.owners import owners
from uploads.upkeep import audit, unknown_files
from uploads.upkeep.audit import Findings
from uploads.upkeep.unknown_files import Found

_KINDS = ("missing", "damaged", "orphaned", "unknown")


class Command(DatabaseCommand):
    """Find missing, damaged, orphaned and unknown files, and mend what can be mended."""

    help = (
        "Compare the storage with the database, and report missing, damaged, orphaned and unknown files. "
        "Reads every stored byte. Uploads whose original is lost fail."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--fix", action="store_true", help="render broken renditions again, and remove orphaned files"
        )
        parser.add_argument(
            "--accept-database",
            action="store_true",
            help="declare that the database is right, so that files are removed again",
        )
        parser.add_argument(
            "--adopt", metavar="NAME", help="make private uploads of unknown originals, for this owner"
        )
        parser.add_argument(
            "--delete-unknown",
            action="store_true",
            help="delete unknown files for good, after a question",
        )
        parser.add_argument("--no-input", action="store_true", help="with --delete-unknown: do not ask")
        parser.add_argument(
            "--dry-run", action="store_true", help="change nothing, and report what would be done"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Audit, do what is asked for, and report."""
        owner = self._owner(options["adopt"]) if options["adopt"] else None
        try:
            findings, found = audit.audit()
            if not options["dry_run"]:
                self._act(findings, found, owner, options)
        except (StorageUnavailable, GenerationDiffers) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(findings), "ok": not findings.problems}))
        else:
            self._print(findings, options)
        if findings.problems:
            remain = "problem remains" if findings.problems == 1 else "problems remain"
            raise CommandError(f"{findings.problems} {remain}.")

    def _act(self, findings: Findings, found: Found, owner: Any, options: dict[str, Any]) -> None:
        # A restored database may be wrong about orphaned files, so treat them as unknown.
        doubtful = dict(found.orphaned) if options["accept_database"] or not findings.agrees else {}
        if options["accept_database"]:
            generations.accept()
            findings.agrees, findings.orphaned = True, []
        audit.record(findings)
        if owner is not None:
            found.unfinished |= doubtful
            findings.adopted = unknown_files.adopt(found, owner=owner).adopted
        if options["fix"]:
            audit.fix(findings)
        if options["delete_unknown"]:
            if not findings.agrees:
                raise GenerationDiffers
            keys = [key for key in findings.unknown if key not in findings.adopted]
            if keys and (options["no_input"] or self._agrees(keys, found)):
                findings.fixed += unknown_files.delete(keys)
        if options["accept_database"]:
            findings.unknown = sorted({*findings.unknown, *doubtful})

    def _owner(self, name: str) -> Any:
        owner = owners().find(name)
        if owner is None:
            raise CommandError(f"There is no owner {name!r}.")
        return owner

    def _agrees(self, keys: list[str], found: Found) -> bool:
        times = [datetime.fromtimestamp(found.unknown[key], tz=UTC) for key in keys]
        question = (
            f"Delete {len(keys)} unknown files for good? "
            f"They were written from {min(times):%Y-%m-%d %H:%M} to {max(times):%Y-%m-%d %H:%M} UTC. [y/N] "
        )
        try:
            return input(question).strip().lower() in {"y", "yes"}
        except EOFError as error:
            raise CommandError("There was no answer. Add --no-input to delete without a question.") from error

    def _print(self, findings: Findings, options: dict[str, Any]) -> None:
        for kind in _KINDS:
            for key in getattr(findings, kind):
                self.stdout.write(f"{kind}: {key}{_remedy(findings, kind, key, options)}")
        counts = ", ".join(f"{len(getattr(findings, kind))} {kind}" for kind in _KINDS)
        self.stdout.write(f"{findings.checked} files checked: {counts}.")
        if not findings.agrees:
            self.stdout.write(str(GenerationDiffers()))


def _remedy(findings: Findings, kind: str, key: str, options: dict[str, Any]) -> str:
    if key in findings.adopted:
        return " (adopted)"
    if key in findings.fixed:
        return " (removed)" if kind in {"orphaned", "unknown"} else " (queued for rendering)"
    if key in findings.lost:
        return " (its owner has to upload it again)"
    if kind == "unknown":
        return " (would be deleted)" if options["dry_run"] and options["delete_unknown"] else ""
    return " (would be fixed)" if options["dry_run"] and options["fix"] else ""
