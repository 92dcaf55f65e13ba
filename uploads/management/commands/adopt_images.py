"""`manage.py adopt_images`: make uploads of the files of an image field."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from processing.errors import Refusal, TransientError
from processing.renderer.rendering import ReaderBusy
from uploads.management.database import DatabaseCommand
from uploads.management.progress import Interruption, progress_bar
from uploads.upkeep import image_fields
from uploads.upkeep.image_fields import Adoption, Row, RowLeft, Unsuitable

_AGAIN = "Run the same command again to continue."


@dataclass(slots=True)
class Summary:
    """The result of a run: the rows that went well, the bytes of their files, and the other rows."""

    done: int = 0
    bytes: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Work:
    """The rows of a run, their number, and what is done with each."""

    title: str
    done: str
    count: int
    rows: Iterator[Row]
    do: Callable[[Row], int]


class Command(DatabaseCommand):
    """Adopt, check or verify each row."""

    help = (
        "Make an upload of each file of an ImageField, and let a PictureField of the same row refer to it. "
        "The files and their field stay as they are. Safe to interrupt and to run twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("field", metavar="app.Model.field", help="the ImageField")
        parser.add_argument(
            "--to", metavar="FIELD", default="", help="the PictureField, if the model has several"
        )
        owner = parser.add_mutually_exclusive_group()
        owner.add_argument("--owner", metavar="NAME", default="", help="the owner of all uploads")
        owner.add_argument(
            "--owner-field", metavar="FIELD", default="", help="the field of a row that refers to the owner"
        )
        action = parser.add_mutually_exclusive_group()
        action.add_argument(
            "--dry-run", action="store_true", help="change nothing, and report which files can be adopted"
        )
        action.add_argument(
            "--verify",
            action="store_true",
            help="change nothing, and compare each adopted file with its upload",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Find the fields, work through the rows, and report."""
        try:
            adoption = image_fields.find(
                options["field"],
                to=options["to"],
                owner=options["owner"],
                owner_field=options["owner_field"],
            )
        except Unsuitable as error:
            raise CommandError(str(error)) from error
        work, summary = _work(adoption, options), Summary()
        try:
            self._run(work, summary, quiet=options["json"])
        except KeyboardInterrupt:
            self._report(work, summary, options)
            raise CommandError(f"Interrupted. {_AGAIN}", returncode=130) from None
        except (TransientError, ReaderBusy) as error:
            self._report(work, summary, options)
            raise CommandError(f"{error} {_AGAIN}") from error
        self._report(work, summary, options)
        if summary.failed:
            raise CommandError(f"{len(summary.failed)} of {work.count} rows could not be {work.done}.")

    def _run(self, work: Work, summary: Summary, *, quiet: bool) -> None:
        with progress_bar(quiet=quiet) as progress, Interruption(progress) as interruption:
            bar = progress.add_task(work.title, total=work.count)
            for row in work.rows:
                interruption.raise_if_requested()
                try:
                    summary.bytes += work.do(row)
                    summary.done += 1
                except ReaderBusy:
                    raise
                except (RowLeft, Refusal) as reason:
                    summary.failed.append(
                        {"row": str(row.pk), "file": row.name, "code": reason.code, "detail": str(reason)}
                    )
                progress.advance(bar)

    def _report(self, work: Work, summary: Summary, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "dry_run": options["dry_run"],
                        "rows": work.count,
                        work.done: summary.done,
                        "bytes": summary.bytes,
                        "failed": summary.failed,
                    }
                )
            )
            return
        for one in summary.failed:
            self.stderr.write(f"{one['row']} {one['file']} {one['code']}: {one['detail']}")
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{work.count} rows: {summary.done} {would}{work.done} ({filesizeformat(summary.bytes)}), "
            f"{len(summary.failed)} failed."
        )


def _work(adoption: Adoption, options: dict[str, Any]) -> Work:
    if options["verify"]:
        rows = adoption.adopted_rows()
        return Work("Comparing", "verified", adoption.adopted().count(), rows, adoption.verify)
    title, do = ("Checking", adoption.check) if options["dry_run"] else ("Adopting", adoption.adopt)
    return Work(title, "adopted", adoption.waiting().count(), adoption.rows(), do)
