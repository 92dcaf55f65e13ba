"""`manage.py reprocess`: process selected uploads again, such as those with stale renditions."""

import json
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.template.defaultfilters import filesizeformat
from django.utils.dateparse import parse_date, parse_datetime

from processing import conf, renditions
from processing.errors import Refusal, TransientError
from processing.presets import Preset
from uploads import services
from uploads.management.database import DatabaseCommand
from uploads.management.progress import Interruption, progress_bar
from uploads.models import Upload
from uploads.monitoring import processes
from uploads.upkeep import selection
from uploads.upkeep.selection import NothingMatches, Selection

_BATCH = 200
# Seconds for which `--wait` waits by default, and between two looks at the workers.
_WAIT, _PAUSE = 600, 2.0


@dataclass(slots=True)
class Summary:
    """The result of a run; `waiting` counts the uploads that the broker did not accept."""

    selected: int = 0
    unchanged: int = 0
    queued: int = 0
    waiting: int = 0
    processed: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Return whether everything succeeded."""
        return not self.failed and not self.waiting


class Command(DatabaseCommand):
    """Select uploads, then estimate, queue or process them."""

    help = (
        "Process uploads again. Renders only missing and stale renditions, unless --force is given. "
        "Safe to interrupt and to run twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "names", nargs="*", metavar="ID or HASH", help="an upload's id or an original's content hash"
        )
        parser.add_argument("--all", action="store_true", dest="everything", help="all uploads")
        parser.add_argument("--failed", action="store_true", help="failed uploads")
        parser.add_argument("--missing", action="store_true", help="uploads with a missing rendition")
        parser.add_argument("--stale", action="store_true", help="uploads with a stale rendition")
        parser.add_argument("--preset", metavar="NAME", help="check and render only this preset")
        parser.add_argument("--owner", metavar="NAME", help="only uploads of this owner")
        parser.add_argument(
            "--since",
            metavar="DATE",
            type=_date,
            help="only uploads sent since this date, such as 2026-01-31",
        )
        parser.add_argument(
            "--limit", metavar="N", type=_positive, help="at most this many uploads, oldest first"
        )
        parser.add_argument("--force", action="store_true", help="also render renditions that are up to date")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, and estimate the work")
        parser.add_argument(
            "--sync", action="store_true", help="process the uploads here instead of queueing them"
        )
        parser.add_argument(
            "--wait",
            metavar="SECONDS",
            nargs="?",
            type=_positive,
            const=_WAIT,
            help=f"wait until the workers have the same presets, at most {_WAIT} seconds by default",
        )
        parser.add_argument(
            "--unchecked", action="store_true", help="do not compare the presets of the workers"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Select, then estimate, queue or process."""
        chosen = _selection(options)
        try:
            uploads = chosen.uploads()
        except NothingMatches as error:
            raise CommandError(str(error)) from error
        if options["dry_run"]:
            self._estimate(uploads, chosen, options)
            return
        if not (options["sync"] or options["unchecked"]):
            self._require_same_presets(seconds=options["wait"] or 0)
        summary = Summary()
        try:
            self._run(uploads, chosen, options, summary)
        except KeyboardInterrupt:
            self._report(summary, as_json=options["json"])
            raise CommandError(
                "Interrupted. Run the same command again to continue.", returncode=130
            ) from None
        self._report(summary, as_json=options["json"])
        if not summary.is_good:
            bad = len(summary.failed) + summary.waiting
            raise CommandError(f"{bad} of {summary.selected} uploads failed or could not be queued.")

    def _require_same_presets(self, *, seconds: int) -> None:
        """Refuse, perhaps after a wait, if a worker would render with other presets than this command's."""
        ends_at = time.monotonic() + seconds
        said = ""
        while problem := processes.disagreement_of_bulk():
            if time.monotonic() >= ends_at:
                raise CommandError(
                    f"Nothing was queued. {problem} Then run the command again, or with --wait."
                )
            if problem != said:
                self.stderr.write(f"Waiting: {problem}")
                said = problem
            time.sleep(_PAUSE)

    def _estimate(self, uploads: Iterable[Upload], chosen: Selection, options: dict[str, Any]) -> None:
        busy = [upload for upload in uploads if _has_work(upload, chosen, options)]
        result = selection.estimate(uploads=busy, presets=chosen.presets, force=options["force"])
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": True, **asdict(result)}))
            return
        size = "unknown" if result.bytes is None else filesizeformat(result.bytes)
        time = "unknown" if result.seconds is None else f"about {result.seconds:.0f} s of one worker"
        self.stdout.write(
            f"uploads: {result.uploads}\nrenditions: {result.renditions}\nbytes: {size}\ntime: {time}"
        )

    def _run(
        self, uploads: Iterable[Upload], chosen: Selection, options: dict[str, Any], summary: Summary
    ) -> None:
        # List the uploads before anything changes, because processed ones no longer match the selection.
        keys = [upload.pk for upload in uploads]
        summary.selected = len(keys)
        with progress_bar(quiet=options["json"]) as progress, Interruption(progress) as interruption:
            bar = progress.add_task("Processing" if options["sync"] else "Queueing", total=len(keys))
            for batch in _batches(keys):
                busy = [upload for upload in batch if _has_work(upload, chosen, options)]
                summary.unchanged += len(batch) - len(busy)
                progress.advance(bar, len(batch) - len(busy))
                for part in _parts(busy, one_by_one=options["sync"]):
                    interruption.raise_if_requested()
                    self._do(part, chosen, options, summary)
                    progress.advance(bar, len(part))

    def _do(
        self, uploads: list[Upload], chosen: Selection, options: dict[str, Any], summary: Summary
    ) -> None:
        presets = chosen.presets if chosen.preset else ()
        if options["sync"]:
            self._process(uploads[0], presets, options, summary)
            return
        late = services.reprocess(
            uploads=uploads,
            force=options["force"],
            presets=presets,
            bulk=True,
            fingerprint="" if options["unchecked"] else renditions.fingerprint_of_all(),
        )
        summary.queued += len(uploads) - late
        summary.waiting += late

    def _process(
        self, upload: Upload, presets: tuple[Preset, ...], options: dict[str, Any], summary: Summary
    ) -> None:
        try:
            services.reprocess_here(upload=upload, force=options["force"], presets=presets)
        except Refusal as refusal:
            summary.failed.append({"id": str(upload.pk), "code": refusal.code, "detail": str(refusal)})
        except (TransientError, DatabaseError) as error:
            summary.failed.append({"id": str(upload.pk), "code": "try_again", "detail": str(error)})
        else:
            summary.processed += 1

    def _report(self, summary: Summary, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(asdict(summary)))
            return
        for failure in summary.failed:
            self.stderr.write(f"{failure['id']} {failure['code']}: {failure['detail']}")
        if summary.waiting:
            self.stderr.write(
                f"{summary.waiting} could not be queued yet. Darkroom queues them when the broker is back."
            )
        self.stdout.write(
            f"{summary.selected} selected: {summary.queued} queued, {summary.processed} processed, "
            f"{summary.unchanged} unchanged, {len(summary.failed)} failed."
        )


def _selection(options: dict[str, Any]) -> Selection:
    kinds = ("everything", "failed", "missing", "stale")
    if not options["names"] and not any(options[kind] for kind in kinds):
        raise CommandError("Select uploads: ids or content hashes, --all, --failed, --missing or --stale.")
    preset = conf.preset_named(options["preset"]) if options["preset"] else None
    if options["preset"] and preset is None:
        known = ", ".join(preset.name for preset in conf.presets())
        raise CommandError(f"There is no preset {options['preset']!r}. Known presets: {known}.")
    return Selection(
        names=tuple(options["names"]),
        preset=preset,
        **{kind: options[kind] for kind in kinds},
        **{name: options[name] for name in ("owner", "since", "limit")},
    )


def _has_work(upload: Upload, chosen: Selection, options: dict[str, Any]) -> bool:
    """Return whether an upload needs work; one that is not ready may lack only its notice."""
    if upload.status != Upload.Status.READY or renditions.unwanted_rows(upload.original):
        return True
    return bool(selection.todo(upload.original, chosen.presets, force=options["force"]))


def _batches(keys: list[Any]) -> Iterator[list[Upload]]:
    for start in range(0, len(keys), _BATCH):
        batch = Upload.objects.filter(pk__in=keys[start : start + _BATCH], deleted_at=None)
        yield list(
            batch.select_related("original")
            .prefetch_related("original__renditions", "original__focuses")
            .order_by("created_at")
        )


def _parts(uploads: list[Upload], *, one_by_one: bool) -> Iterator[list[Upload]]:
    if one_by_one:
        yield from ([upload] for upload in uploads)
    elif uploads:
        yield uploads


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _date(text: str) -> datetime:
    """Return a point in time; a date means its start, and the default time zone is UTC."""
    try:
        moment, day = parse_datetime(text), parse_date(text)
    except ValueError:
        moment, day = None, None
    if moment is None:
        if day is None:
            raise ArgumentTypeError(f"{text!r} is not a date such as 2026-01-31 or 2026-01-31T12:00")
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
