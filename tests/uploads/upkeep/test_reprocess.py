"""manage.py reprocess: every option, twice, concurrently, interrupted, and without a broker."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from processing import leases
from processing.fingerprint import original_key
from processing.images.reading.refusals import UnreadableImage
from processing.models import Lease, Rendition
from processing.originals import OriginalLost
from tests.conftest import (
    MakeImage,
    Send,
    assert_storage_matches_rows,
    remove_garbage,
    stored_digest,
    stored_keys,
)
from tests.system import wait_until
from uploads import broker, completion
from uploads.models import Delivery, Event, Step, Upload
from uploads.upkeep import sweeper

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PRESETS: dict[str, Any] = {
    "thumb": {"width": 64, "height": 64, "mode": "fill", "formats": ["webp"]},
    "small": {"width": 100},
}
# The renditions of one original: a thumbnail in one format, and a size in two.
RENDITIONS, FORMATS = 3, 2
SetPresets = Callable[..., None]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Hash passwords fast, because no test signs in."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait only briefly for workers to answer, because there are none."""
    monkeypatch.setattr(broker, "_PING_TIME", 0.05)


@pytest.fixture(autouse=True)
def empty_broker() -> Iterator[Callable[[], object]]:
    """Return a function that removes every message. The queues are emptied before and after each test."""
    with contextlib.closing(Redis.from_url(django_settings.REDIS_URL)) as client:
        client.flushdb()
        yield client.flushdb
        client.flushdb()


@pytest.fixture
def set_presets(settings: Settings) -> SetPresets:
    """Return a function that sets the presets. A few small ones are set already."""

    def set_presets(**presets: dict[str, Any]) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}

    set_presets(**PRESETS)
    return set_presets


@pytest.fixture
def images(set_presets: SetPresets, send: Send, make_image: MakeImage) -> list[Upload]:
    """Return three unprocessed uploads, oldest first. The presets are few and small."""
    return [send(make_image(width=150, height=120, seed=seed), name=f"{seed}.jpg") for seed in range(3)]


@pytest.fixture
def photos(send: Send, make_image: MakeImage) -> list[Upload]:
    """Return three unprocessed uploads for a process that has other settings."""
    return [send(make_image(width=150, height=120, seed=seed)) for seed in range(3)]


@pytest.fixture
def ready(images: list[Upload], empty_broker: Callable[[], object]) -> list[Upload]:
    """Return three ready uploads, without messages from their first processing."""
    for upload in images:
        completion.run_here(upload)
    assert statuses() == {"ready"}
    empty_broker()
    return images


@contextlib.contextmanager
def broker_away() -> Iterator[None]:
    """Configure a broker at a port on which no server listens."""
    with socket.socket() as free, pytest.MonkeyPatch.context() as patch:
        free.bind(("127.0.0.1", 0))
        patch.setattr(current_app.conf, "broker_url", f"redis://127.0.0.1:{free.getsockname()[1]}/0")
        # Existing connections would continue to work.
        patch.setattr(current_app, "_pool", None)
        patch.setattr(current_app.amqp, "_producer_pool", None)
        yield


def reprocess(*arguments: object) -> str:
    output = StringIO()
    call_command("reprocess", *map(str, arguments), stdout=output, stderr=StringIO())
    return output.getvalue()


def reprocess_json(*arguments: object) -> dict[str, Any]:
    answer = json.loads(reprocess(*arguments, "--json"))
    assert isinstance(answer, dict)
    return answer


def summary(**counts: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("selected", "unchanged", "queued", "waiting", "processed"), 0)
    return {**nothing, "failed": [], **counts}


def work_off() -> None:
    """Do the work of the workers."""
    for upload in Upload.objects.filter(status__in=Upload.UNFINISHED):
        completion.run_here(upload)


def statuses() -> set[str]:
    return set(Upload.objects.values_list("status", flat=True))


def digests() -> dict[str, str]:
    """Return the digest of every stored file."""
    return {key: stored_digest(key) for key in stored_keys()}


def written_at() -> dict[str, int]:
    return {key: Path(default_storage.path(key)).stat().st_mtime_ns for key in stored_keys()}


def rendered_at() -> dict[tuple[str, str, str], Any]:
    rows = Rendition.objects.values_list("original__content_hash", "preset", "format", "rendered_at")
    return {row[:3]: row[3] for row in rows}


def notices() -> dict[str, set[Any]]:
    return {
        "events": set(Event.objects.values_list("pk", "name")),
        "deliveries": set(Delivery.objects.values_list("pk", "attempts")),
    }


def everything() -> dict[str, Any]:
    """Return all data that a run could change."""
    rows = {model: list(model.objects.order_by("pk").values()) for model in (Upload, Step, Rendition, Lease)}
    return {"rows": rows, "files": written_at(), "queues": broker.queue_depths(), **notices()}


def lose_original(upload: Upload) -> bytes:
    key = original_key(upload.original.content_hash)
    with default_storage.open(key) as file:
        data: bytes = file.read()
    default_storage.delete(key)
    return data


def restore_original(upload: Upload, data: bytes) -> None:
    default_storage.save(original_key(upload.original.content_hash), ContentFile(data))


# --- Refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--force",), ("--owner", "ada", "--limit", 3, "--sync")])
def test_empty_selection_is_refused(owner: User, arguments: tuple[object, ...]) -> None:
    before = everything()
    with pytest.raises(CommandError, match="Select uploads: ids or content hashes, --all, --failed"):
        reprocess(*arguments)
    assert everything() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "nonsense is neither an upload id"),
        (["0" * 64], "is neither an upload id nor a content hash"),
        (["00000000-0000-4000-8000-000000000000"], "is neither an upload id"),
        (["--all", "--preset", "huge"], "There is no preset 'huge'. Known presets: small, thumb"),
        (["--all", "--owner", "nobody"], "There is no owner 'nobody'"),
        (["--all", "--since", "yesterday"], "'yesterday' is not a date such as 2026-01-31"),
        (["--all", "--since", "2026-02-31"], "'2026-02-31' is not a date"),
        (["--all", "--since", "2026-01-31 noonish"], "'2026-01-31 noonish' is not a date"),
        (["--all", "--limit", "0"], "'0' is not a number above 0"),
        (["--all", "--limit", "some"], "'some' is not a number above 0"),
        (["--everything"], "unrecognized arguments: --everything"),
    ],
)
@pytest.mark.usefixtures("set_presets")
def test_unknown_value_is_refused(send: Send, arguments: list[str], message: str) -> None:
    send()
    before = everything()
    for more in ([], ["--dry-run"], ["--sync"]):
        with pytest.raises(CommandError, match=re.escape(message)):
            reprocess(*arguments, *more)
    assert everything() == before


# --- Selection ------------------------------------------------------------------------------


def test_uploads_are_selected_by_id_hash_and_prefix(images: list[Upload]) -> None:
    by_id, by_hash, by_prefix = (
        images[0].pk,
        images[1].original.content_hash,
        images[2].original.content_hash[:9],
    )
    assert reprocess_json(by_id, by_hash, "--sync") == summary(selected=2, processed=2)
    assert reprocess_json(by_prefix, "--sync") == summary(selected=1, processed=1)
    assert statuses() == {"ready"}


def test_options_are_combined(
    images: list[Upload], send: Send, make_image: MakeImage, stranger: User
) -> None:
    old = timezone.now().replace(year=2020)
    Upload.objects.filter(pk=images[0].pk).update(created_at=old)
    send(make_image(width=80, height=80), by=stranger)
    options = ("--all", "--owner", "ada", "--since", "2021-06-01", "--limit", 1, "--sync")
    assert reprocess_json(*options) == summary(selected=1, processed=1)
    assert list(Upload.objects.filter(status="ready")) == [images[1]]


@pytest.mark.parametrize(
    ("since", "selected"),
    [("2026-01-31", 2), ("2026-02-01", 1), ("2026-01-31T12:00", 1), ("2026-01-31T13:00+02:00", 2)],
)
def test_date_means_its_start_in_utc(images: list[Upload], since: str, selected: int) -> None:
    for upload, text in zip(
        images, ("2026-01-30 23:59", "2026-01-31 11:30", "2026-03-01 00:00"), strict=True
    ):
        Upload.objects.filter(pk=upload.pk).update(created_at=f"{text}Z")
    assert reprocess_json("--all", "--since", since, "--dry-run")["uploads"] == selected


# --- Processing -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_uploads_are_queued_as_bulk_work(ready: list[Upload], set_presets: SetPresets) -> None:
    set_presets(**{**PRESETS, "small": {"width": 90}})
    assert "3 selected: 3 queued, 0 processed, 0 unchanged, 0 failed." in reprocess("--all")
    assert broker.queue_depths() == {**dict.fromkeys(broker.queue_depths(), 0), "bulk": 3}
    assert statuses() == {"pending"}
    assert set(Upload.objects.values_list("bulk", flat=True)) == {True}
    work_off()
    assert statuses() == {"ready"}
    assert_no_more_to_do()


def test_queued_upload_is_not_queued_twice(ready: list[Upload]) -> None:
    for _ in range(3):
        assert reprocess_json("--all", "--force") == summary(selected=3, queued=3)
    assert broker.queue_depths()["bulk"] == 3


def test_sync_processes_without_a_worker(images: list[Upload]) -> None:
    assert "3 selected: 0 queued, 3 processed, 0 unchanged, 0 failed." in reprocess("--all", "--sync")
    assert not any(broker.queue_depths().values())
    assert statuses() == {"ready"}
    assert Rendition.objects.count() == 3 * RENDITIONS
    assert Event.objects.filter(name=Event.Name.READY).count() == 3
    assert_storage_matches_rows()


def test_sync_completes_an_upload_that_lacks_only_its_notice(
    images: list[Upload], ready: list[Upload]
) -> None:
    Upload.objects.filter(pk=ready[0].pk).update(status=Upload.Status.PROCESSING)
    files = written_at()
    assert reprocess_json("--all", "--sync") == summary(selected=3, unchanged=2, processed=1)
    assert statuses() == {"ready"}
    assert written_at() == files


@pytest.mark.parametrize("options", [["--sync"], []])
@pytest.mark.parametrize("kind", ["--all", "--missing", "--stale"])
def test_second_run_does_nothing(ready: list[Upload], kind: str, options: list[str]) -> None:
    before = everything()
    answer = reprocess(kind, *options)
    selected = 3 if kind == "--all" else 0
    assert f"{selected} selected: 0 queued, 0 processed, {selected} unchanged" in answer
    assert everything() == before


def assert_no_more_to_do() -> None:
    assert_storage_matches_rows()
    assert reprocess_json("--all", "--dry-run")["renditions"] == 0


@pytest.mark.parametrize("options", [["--sync"], []])
def test_force_renders_the_same_bytes_without_notices(ready: list[Upload], options: list[str]) -> None:
    stored, told, rendered = digests(), notices(), rendered_at()
    reprocess("--all", "--force", *options)
    work_off()
    assert digests() == stored
    assert notices() == told
    assert all(rendered_at()[name] > moment for name, moment in rendered.items())
    assert statuses() == {"ready"}
    assert_no_more_to_do()


def test_force_with_a_preset_renders_only_that_preset(ready: list[Upload]) -> None:
    rendered = rendered_at()
    reprocess(ready[0].pk, "--force", "--preset", "small", "--sync")
    again = {name for name, moment in rendered_at().items() if moment != rendered[name]}
    assert again == {(ready[0].original.content_hash, "small", name) for name in ("webp", "jpeg")}
    assert_no_more_to_do()


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_runs_render_the_same_bytes_without_notices(ready: list[Upload]) -> None:
    stored, told = digests(), notices()
    outcomes = run_at_once(lambda: reprocess("--all", "--force", "--sync"), times=2)
    # If both runs reach the same upload, one of them skips it and reports that.
    assert {str(outcome) for outcome in outcomes if isinstance(outcome, CommandError)} <= {
        f"{count} of 3 uploads failed or could not be queued." for count in (1, 2, 3)
    }
    reprocess("--all", "--sync")
    assert statuses() == {"ready"}
    assert digests() == stored
    assert notices() == told
    assert_no_more_to_do()


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_runs_queue_each_upload_once(ready: list[Upload]) -> None:
    stored, told = digests(), notices()
    assert [type(outcome) for outcome in run_at_once(lambda: reprocess("--all", "--force"), times=2)] == [
        str,
        str,
    ]
    assert broker.queue_depths()["bulk"] == 3
    work_off()
    assert digests() == stored
    assert notices() == told
    assert_no_more_to_do()


def run_at_once(action: Callable[[], str], *, times: int) -> list[str | CommandError]:
    """Run it in several threads that start together. Return what each returned or raised."""
    barrier, outcomes = threading.Barrier(times), list[str | CommandError]()

    def run() -> None:
        barrier.wait(10)
        try:
            outcomes.append(action())
        except CommandError as error:
            outcomes.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == times
    return outcomes


# --- After the settings were edited ----------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_stale_renders_only_changed_presets(ready: list[Upload], set_presets: SetPresets) -> None:
    files, rendered, told = written_at(), rendered_at(), notices()
    old = set(Rendition.objects.filter(preset="small").values_list("key", flat=True))
    set_presets(**{**PRESETS, "small": {"width": 90}})
    assert reprocess_json("--stale", "--sync") == summary(selected=3, processed=3)
    again = {name for name, moment in rendered_at().items() if moment != rendered.get(name)}
    assert {preset for _, preset, _ in again} == {"small"}
    assert len(again) == 3 * FORMATS
    kept = {key: moment for key, moment in files.items() if key not in old}
    assert written_at().items() >= kept.items()
    remove_garbage()
    assert not old & stored_keys()
    assert set(Rendition.objects.filter(preset="small").values_list("width", flat=True)) == {90}
    assert notices() == told
    assert_no_more_to_do()


@pytest.mark.django_db(transaction=True)
def test_old_files_stay_if_the_commit_fails(
    ready: list[Upload], set_presets: SetPresets, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = digests()
    set_presets(**{**PRESETS, "small": {"width": 90}})
    with monkeypatch.context() as context:
        context.setattr(leases, "end", lambda lease: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reprocess(ready[0].pk, "--sync")
    assert digests().items() >= files.items()
    assert set(Rendition.objects.filter(preset="small").values_list("width", flat=True)) == {100}
    Lease.objects.update(expires_at=timezone.now())  # the lease has expired
    reprocess("--stale", "--sync")
    assert_no_more_to_do()


def test_new_preset_is_missing(ready: list[Upload], set_presets: SetPresets) -> None:
    files = written_at()
    set_presets(**PRESETS, tiny={"width": 20})
    assert reprocess_json("--missing", "--preset", "thumb", "--sync") == summary()
    assert reprocess_json("--missing", "--preset", "tiny", "--dry-run")["renditions"] == 3 * FORMATS
    assert reprocess_json("--missing", "--sync") == summary(selected=3, processed=3)
    assert Rendition.objects.filter(preset="tiny", width=20).count() == 3 * FORMATS
    assert written_at().items() >= files.items()
    assert_no_more_to_do()


@pytest.mark.django_db(transaction=True)
def test_removed_preset_is_deleted_with_its_files(ready: list[Upload], set_presets: SetPresets) -> None:
    files = written_at()
    gone = set(Rendition.objects.filter(preset="small").values_list("key", flat=True))
    set_presets(thumb=PRESETS["thumb"])
    assert reprocess_json("--stale", "--sync") == summary(selected=3, processed=3)
    assert not Rendition.objects.filter(preset="small").exists()
    remove_garbage()
    assert written_at() == {key: moment for key, moment in files.items() if key not in gone}
    assert reprocess_json("--stale", "--sync") == summary()
    assert_no_more_to_do()


@pytest.mark.django_db(transaction=True)
def test_removed_format_is_deleted_with_its_files(ready: list[Upload], set_presets: SetPresets) -> None:
    set_presets(**{**PRESETS, "small": {"width": 100, "formats": ["webp"]}})
    assert reprocess_json("--stale", "--sync") == summary(selected=3, processed=3)
    assert Rendition.objects.filter(preset="small").count() == 3
    assert_no_more_to_do()


# --- Failures -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_failed_upload_is_retried_until_it_succeeds(images: list[Upload]) -> None:
    data = lose_original(images[0])
    with pytest.raises(OriginalLost):
        completion.run_here(images[0])
    told = notices()
    output, errors = StringIO(), StringIO()
    with pytest.raises(CommandError, match=r"1 of 1 uploads failed or could not be queued\.") as caught:
        call_command("reprocess", "--failed", "--sync", stdout=output, stderr=errors)
    assert caught.value.returncode == 1
    assert "1 selected: 0 queued, 0 processed, 0 unchanged, 1 failed." in output.getvalue()
    assert f"{images[0].pk} original_lost: The original file is lost or damaged" in errors.getvalue()
    assert Upload.objects.get(pk=images[0].pk).status == Upload.Status.FAILED
    assert notices() == told

    restore_original(images[0], data)
    assert reprocess_json("--failed", "--sync") == summary(selected=1, processed=1)
    upload = Upload.objects.get(pk=images[0].pk)
    assert (upload.status, upload.error_code, upload.error_detail) == (Upload.Status.READY, "", "")
    assert Event.objects.filter(upload=upload, name=Event.Name.READY).count() == 1
    assert reprocess_json("--failed", "--sync") == summary()


def test_failed_upload_can_be_queued(images: list[Upload]) -> None:
    data = lose_original(images[0])
    with pytest.raises(OriginalLost):
        completion.run_here(images[0])
    restore_original(images[0], data)
    assert reprocess_json("--failed") == summary(selected=1, queued=1)
    work_off()
    assert statuses() == {"ready"}


def test_failure_of_one_upload_does_not_affect_others(
    images: list[Upload], send: Send, make_image: MakeImage
) -> None:
    damaged = send(make_image(width=150, height=120, seed=9)[:900])
    output = StringIO()
    with pytest.raises(CommandError, match=r"1 of 4 uploads failed or could not be queued\."):
        call_command("reprocess", "--all", "--sync", "--json", stdout=output)
    answer = json.loads(output.getvalue())
    assert answer["processed"] == 3
    assert [(failure["id"], failure["code"]) for failure in answer["failed"]] == [
        (str(damaged.pk), UnreadableImage.code)
    ]
    assert set(answer["failed"][0]) == {"id", "code", "detail"}


def test_storage_failure_is_retried_later(images: list[Upload]) -> None:
    data = lose_original(images[0])
    path = Path(default_storage.path(original_key(images[0].original.content_hash)))
    path.mkdir()
    output = StringIO()
    with pytest.raises(CommandError, match=r"1 of 3 uploads failed or could not be queued\."):
        call_command("reprocess", "--all", "--sync", "--json", stdout=output)
    assert [failure["code"] for failure in json.loads(output.getvalue())["failed"]] == ["try_again"]
    assert statuses() == {"ready", "processing"}
    path.rmdir()
    restore_original(images[0], data)
    assert reprocess_json("--all", "--sync") == summary(selected=3, unchanged=2, processed=1)
    assert_no_more_to_do()


@pytest.mark.django_db(transaction=True)
def test_sweeper_queues_uploads_after_a_broker_outage(ready: list[Upload]) -> None:
    output, errors = StringIO(), StringIO()
    with broker_away():
        with pytest.raises(CommandError, match=r"3 of 3 uploads failed or could not be queued\."):
            call_command("reprocess", "--all", "--force", stdout=output, stderr=errors)
        assert "3 could not be queued yet. Darkroom queues them when the broker is back." in errors.getvalue()
        assert statuses() == {"pending"}
        assert sweeper.sweep() == 0
    assert sweeper.sweep() == 3
    assert broker.queue_depths()["bulk"] == 3
    work_off()
    assert_no_more_to_do()


# --- Output ---------------------------------------------------------------------------------


def test_dry_run_estimates_and_changes_nothing(ready: list[Upload]) -> None:
    before = everything()
    forced = reprocess_json("--all", "--force", "--dry-run")
    assert set(forced) == {"dry_run", "uploads", "renditions", "bytes", "seconds"}
    assert (forced["dry_run"], forced["uploads"], forced["renditions"]) == (True, 3, 9)
    sizes = Rendition.objects.values_list("byte_size", flat=True)
    assert forced["bytes"] == pytest.approx(sum(sizes), abs=1)
    assert forced["seconds"] > 0
    narrowed = reprocess_json("--all", "--force", "--preset", "thumb", "--limit", 2, "--dry-run")
    assert (narrowed["uploads"], narrowed["renditions"]) == (2, 2)
    nothing = {"dry_run": True, "uploads": 0, "renditions": 0, "bytes": 0, "seconds": 0.0}
    assert reprocess_json("--all", "--dry-run") == nothing
    said = reprocess("--all", "--force", "--dry-run", "--sync")
    assert re.fullmatch(
        r"uploads: 3\nrenditions: 9\nbytes: [\d.]+\sKB\ntime: about \d+ s of one worker\n", said
    )
    assert everything() == before


def test_dry_run_does_not_estimate_the_size_of_a_new_preset(
    ready: list[Upload], set_presets: SetPresets
) -> None:
    set_presets(**PRESETS, large={"width": 120})
    estimate = reprocess_json("--missing", "--dry-run")
    assert (estimate["uploads"], estimate["renditions"], estimate["bytes"]) == (3, 6, None)


def test_dry_run_without_data_reports_unknown(images: list[Upload]) -> None:
    assert reprocess("--all", "--dry-run") == "uploads: 3\nrenditions: 9\nbytes: unknown\ntime: unknown\n"


def test_dry_run_of_an_empty_selection_is_refused(images: list[Upload]) -> None:
    with pytest.raises(CommandError, match="Select uploads"):
        reprocess("--dry-run")


# --- At a terminal --------------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(django_settings.BASE_DIR / "manage.py"), "reprocess", *arguments]


def environment() -> dict[str, str]:
    """Return the environment for a separate process on the test database."""
    name = connection.settings_dict["NAME"]
    url = f"sqlite:///{name}"
    if connection.vendor == "postgresql":
        url = re.sub(r"(?<=[^/])/[^/?]*(?=\?|$)", f"/{name}", os.environ["DATABASE_URL"], count=1)
    return {**os.environ, "DATABASE_URL": url, "TERM": "xterm", "COLUMNS": "100"}


class Terminal:
    """A pseudo-terminal to which a process writes its errors."""

    def __enter__(self) -> "Terminal":
        self._master, self.end = pty.openpty()
        self.text = ""
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._master)
        os.close(self.end)

    def read_until(self, *, condition: Callable[[], object]) -> None:
        """Read until the condition holds."""

        def read_and_look() -> object:
            if select.select([self._master], [], [], 0.1)[0]:
                self.text += os.read(self._master, 4096).decode(errors="replace")
            return condition()

        wait_until(read_and_look)


@pytest.mark.slow
@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
def test_terminal_shows_a_progress_bar(photos: list[Upload]) -> None:
    with (
        Terminal() as terminal,
        subprocess.Popen(
            command("--all", "--sync"),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=terminal.end,
            text=True,
        ) as process,
    ):
        terminal.read_until(condition=lambda: process.poll() is not None and "3/3" in terminal.text)
        assert process.returncode == 0
        assert "Processing" in terminal.text
        assert "━" in terminal.text
        assert process.stdout is not None
        assert "3 selected: 0 queued, 3 processed" in process.stdout.read()
    assert statuses() == {"ready"}


@contextlib.contextmanager
def stuck_original(upload: Upload) -> Iterator[Callable[[], int]]:
    """Replace an original by a named pipe, whose reader waits.

    Yield a function that waits for the reader and returns the other end of the pipe.
    """
    path = Path(default_storage.path(original_key(upload.original.content_hash)))
    kept = path.rename(path.with_suffix(".kept"))
    os.mkfifo(path)

    def wait_for_reader() -> int:
        ends: list[int] = []

        def opens() -> bool:
            with contextlib.suppress(OSError):  # No process reads yet.
                ends.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return bool(ends)

        wait_until(opens)
        return ends[0]

    yield wait_for_reader
    kept.replace(path)


@pytest.mark.slow
@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
def test_interrupt_ends_the_run_after_the_current_upload(photos: list[Upload]) -> None:
    with (
        stuck_original(photos[1]) as wait_for_reader,
        subprocess.Popen(
            command("--all", "--sync"),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        pipe = wait_for_reader()
        process.send_signal(signal.SIGINT)
        path = Path(default_storage.path(original_key(photos[1].original.content_hash)))
        data = path.with_suffix(".kept").read_bytes()
        path.unlink()
        path.write_bytes(data)  # for the second step
        os.write(pipe, data)
        os.close(pipe)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == "3 selected: 0 queued, 2 processed, 0 unchanged, 0 failed.\n"
    # No bar is drawn on a pipe.
    assert errors == "CommandError: Interrupted. Run the same command again to continue.\n"
    assert [Upload.objects.get(pk=upload.pk).status for upload in photos] == ["ready", "ready", "pending"]
    assert not Lease.objects.exists()
    assert reprocess_json("--all", "--sync") == summary(selected=3, unchanged=2, processed=1)
    assert statuses() == {"ready"}
    assert_storage_matches_rows()


@pytest.mark.slow
@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
def test_second_interrupt_ends_the_run_immediately(photos: list[Upload]) -> None:
    with (
        stuck_original(photos[1]) as wait_for_reader,
        Terminal() as terminal,
        subprocess.Popen(
            command("--all", "--sync"), env=environment(), stdout=subprocess.PIPE, stderr=terminal.end
        ) as process,
    ):
        pipe = wait_for_reader()
        process.send_signal(signal.SIGINT)
        terminal.read_until(condition=lambda: "Stopping" in terminal.text)
        process.send_signal(signal.SIGINT)
        terminal.read_until(condition=lambda: process.poll() is not None)
        os.close(pipe)
    assert process.returncode == 130
    reprocess("--all", "--sync")
    assert statuses() == {"ready"}
    assert_no_more_to_do()
