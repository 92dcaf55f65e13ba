"""Each step runs once, twice, in a race, and is killed. Errors are handled."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone
from PIL import ExifTags, Image
from pytest_django import Settings

from processing import conf, leases, originals, renditions, steps
from processing.conf import darkroom
from processing.errors import Refusal
from processing.fingerprint import original_key
from processing.garbage import pending_files
from processing.images.reading.refusals import UnreadableImage
from processing.leases import LeaseHeld
from processing.models import Focus, Lease, Original, PendingFile, Rendition
from processing.originals import OriginalLost
from processing.signals import step_finished, step_started
from processing.steps import GaveUp, Step
from processing.storages.local import LocalStorage
from processing.storages.media import StorageUnavailable
from tests.conftest import MakeImage, assert_storage_matches_rows, remove_garbage, stored_keys
from tests.processing import mortal
from tests.processing.conftest import News, StoreOriginal
from tests.processing.processes import ROOT, environment
from tests.threads import run_at_once

STEPS: tuple[Step, ...] = get_args(Step)
# The number of rows from each step with the default presets.
ROWS = {"generate_thumbnails": 2, "resize_image": 8}

both_steps = pytest.mark.parametrize("step", STEPS)


@pytest.fixture
def original(store_original: StoreOriginal) -> Original:
    return store_original()


def run(step: Step, original: Original) -> None:
    steps.run(step=step, content_hash=original.content_hash)


def run_all(original: Original) -> None:
    for step in STEPS:
        run(step, original)


def row_values() -> list[tuple[Any, ...]]:
    return list(Rendition.objects.order_by("pk").values_list())


def modified_at() -> dict[str, int]:
    root = Path(django_settings.MEDIA_ROOT)
    return {key: (root / key).stat().st_mtime_ns for key in stored_keys()}


def digests() -> dict[str, str]:
    return dict(Rendition.objects.values_list("key", "digest"))


def keys_of(*names: str) -> set[str]:
    return set(Rendition.objects.filter(preset__in=names).values_list("key", flat=True))


def expire_leases() -> None:
    """Let all leases expire."""
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def set_presets(settings: Settings, **changes: dict[str, Any] | None) -> None:
    """Change presets in the settings, or remove those that are None."""
    presets = {**darkroom().presets, **changes}
    kept = {name: fields for name, fields in presets.items() if fields is not None}
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": kept}


def before(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, do: Callable[[], object], *, times: int = 1
) -> None:
    """Call `do` before a function, the first `times` times."""
    call = getattr(owner, name)
    left = [do] * times

    def do_and_call(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()()
        return call(*args, **kwargs)

    monkeypatch.setattr(owner, name, do_and_call)


def fail_with(error: BaseException) -> Callable[..., Any]:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    return fail


# --- Once ---------------------------------------------------------------------------------


def test_presets_are_divided_between_the_two_steps() -> None:
    names = {step: [preset.name for preset in steps.presets_of(step)] for step in STEPS}
    assert names == {"generate_thumbnails": ["thumb"], "resize_image": ["xlarge", "large", "medium", "small"]}


@both_steps
def test_step_renders_its_presets(step: Step, original: Original, news: News) -> None:
    run(step, original)
    assert set(Rendition.objects.values_list("preset", "format")) == {
        (preset.name, format) for preset in steps.presets_of(step) for format in ("webp", "jpeg")
    }
    assert Rendition.objects.count() == ROWS[step]
    assert not Lease.objects.exists()
    assert (news.started, news.finished, news.failed) == ([step], [step], [])
    assert_storage_matches_rows()


def test_row_describes_its_file(store_original: StoreOriginal, make_image: MakeImage) -> None:
    original = store_original(make_image(width=1000, height=500))
    run_all(original)
    sizes = {row.preset: (row.width, row.height) for row in Rendition.objects.all()}
    assert sizes == {
        "thumb": (256, 256),
        "small": (320, 160),
        "medium": (640, 320),
        "large": (1000, 500),
        "xlarge": (1000, 500),
    }
    for row in Rendition.objects.all():
        assert row.byte_size == default_storage.size(row.key)
        assert (row.frames, row.redo) == (1, False)


@both_steps
def test_first_step_describes_the_original(step: Step, original: Original) -> None:
    assert (original.thumbhash, original.color) == ("", "")
    run(step, original)
    original.refresh_from_db()
    assert len(original.thumbhash) > 20
    assert original.color.startswith("#")
    assert original.transparent is False


def test_original_is_described_before_its_first_rendition(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    colors: list[str] = []
    before(
        monkeypatch,
        renditions,
        "store",
        lambda: colors.append(Original.objects.get(pk=original.pk).color),
    )
    run("generate_thumbnails", original)
    assert len(colors) == 1
    assert colors[0].startswith("#")


@pytest.mark.parametrize(("mode", "formats"), [("RGBA", {"webp", "png"}), ("RGB", {"webp", "jpeg"})])
def test_png_replaces_jpeg_for_transparent_originals(
    mode: str, formats: set[str], store_original: StoreOriginal, make_image: MakeImage
) -> None:
    original = store_original(make_image(format="PNG", mode=mode))
    run_all(original)
    assert set(Rendition.objects.values_list("format", flat=True)) == formats
    assert Rendition.objects.count() == 10
    assert_storage_matches_rows()


def test_animation_records_its_frames(store_original: StoreOriginal, corpus: Path) -> None:
    original = store_original((corpus / "animation" / "animated_loop.gif").read_bytes())
    run("generate_thumbnails", original)
    assert {row.format: row.frames for row in Rendition.objects.all()} == {"webp": 4, "jpeg": 1}


def test_missing_original_is_ignored(db: None, news: News) -> None:
    steps.run(step="generate_thumbnails", content_hash="ab" * 32)
    assert (news.started, news.finished, news.failed) == ([], [], [])


# --- Twice --------------------------------------------------------------------------------


@both_steps
def test_second_run_writes_nothing(step: Step, original: Original, saved_keys: list[str], news: News) -> None:
    run(step, original)
    assert len(saved_keys) == ROWS[step]
    rows, times = row_values(), modified_at()
    run(step, original)
    assert len(saved_keys) == ROWS[step]
    assert (row_values(), modified_at()) == (rows, times)
    assert news.finished == [step, step]
    assert not Lease.objects.exists()


@both_steps
def test_second_run_reads_no_file(step: Step, original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    run(step, original)
    monkeypatch.setattr(LocalStorage, "_open", fail_with(AssertionError("a file was opened")))
    run(step, original)


def test_only_missing_renditions_are_rendered(original: Original, saved_keys: list[str]) -> None:
    run("resize_image", original)
    lost = Rendition.objects.get(preset="medium", format="webp")
    lost.delete()
    saved_keys.clear()
    run("resize_image", original)
    assert saved_keys == [lost.key]
    assert Rendition.objects.count() == ROWS["resize_image"]
    assert_storage_matches_rows()


# --- In a race ----------------------------------------------------------------------------


@both_steps
@pytest.mark.django_db(transaction=True)
def test_concurrent_runs_of_a_step_render_once(step: Step, original: Original, news: News) -> None:
    outcomes = run_at_once(*[lambda: run(step, original)] * 4)
    assert {type(outcome) for outcome in outcomes} <= {type(None), LeaseHeld}
    assert None in outcomes
    assert news.finished == [step] * outcomes.count(None)
    assert Rendition.objects.count() == ROWS[step]
    assert not Lease.objects.exists()
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_both_steps_run_concurrently(original: Original) -> None:
    outcomes = run_at_once(*[lambda step=step: run(step, original) for step in STEPS])
    assert outcomes == [None, None]
    assert Rendition.objects.count() == 10
    original.refresh_from_db()
    assert original.color.startswith("#")
    assert_storage_matches_rows()


@both_steps
@pytest.mark.django_db(transaction=True)
def test_second_worker_is_refused_during_rendering(
    step: Step, original: Original, monkeypatch: pytest.MonkeyPatch, saved_keys: list[str]
) -> None:
    outcomes: list[BaseException | None] = []
    before(monkeypatch, steps, "decode", lambda: outcomes.extend(run_at_once(lambda: run(step, original))))
    run(step, original)
    assert [type(outcome) for outcome in outcomes] == [LeaseHeld]
    assert len(saved_keys) == ROWS[step]
    assert_storage_matches_rows()


@both_steps
@pytest.mark.django_db(transaction=True)
def test_overtaken_worker_changes_nothing(
    step: Step, original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def overtake() -> None:
        expire_leases()
        seen.extend(run_at_once(lambda: run(step, original)))
        seen.append(digests())

    before(monkeypatch, steps, "decode", overtake)
    run(step, original)
    assert seen == [None, digests()]
    assert Rendition.objects.count() == ROWS[step]
    assert not Lease.objects.exists()
    assert_storage_matches_rows()


@both_steps
@pytest.mark.django_db(transaction=True)
def test_overtaken_worker_reports_no_failure(
    step: Step, original: Original, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtake() -> None:
        expire_leases()
        run_at_once(lambda: run(step, original))
        raise UnreadableImage("too late")

    before(monkeypatch, steps, "decode", overtake)
    with pytest.raises(UnreadableImage, match="too late"):
        run(step, original)
    assert news.failed == []
    assert Rendition.objects.count() == ROWS[step]


# --- Killed -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mortal_worker(django_db_setup: None) -> Iterator[subprocess.Popen[str]]:
    """Return a worker on the same database and storage that kills itself on command."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import django; django.setup(); from tests.processing import mortal; mortal.serve()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    with process:
        yield process


def kill_at(worker: subprocess.Popen[str], *, step: Step, original: Original, boundary: str) -> None:
    """Run the step in the worker, which kills itself at the boundary."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{step} {original.content_hash} {boundary}\n")
    worker.stdin.flush()
    assert worker.stdout.readline() == "-9\n", f"the worker was not killed {boundary}"


@pytest.fixture
def crashes_seen() -> Iterator[list[int]]:
    """Return a list of the crashes that were counted when each attempt started."""
    seen: list[int] = []

    def look(*, content_hash: str, step: str, **kwargs: Any) -> None:
        leases_there = Lease.objects.filter(original__content_hash=content_hash, step=step)
        seen.extend(leases_there.values_list("crashes", flat=True))

    step_started.connect(look)
    yield seen
    step_started.disconnect(look)


@pytest.mark.slow
@both_steps
@pytest.mark.parametrize("boundary", mortal.BOUNDARIES)
@pytest.mark.django_db(transaction=True)
def test_killed_step_is_completed(
    step: Step,
    boundary: str,
    original: Original,
    mortal_worker: subprocess.Popen[str],
    crashes_seen: list[int],
) -> None:
    kill_at(mortal_worker, step=step, original=original, boundary=boundary)
    committed, leased = (
        boundary == "after_the_commit",
        boundary not in ("before_the_lease", "after_the_commit"),
    )
    assert Lease.objects.exists() is leased
    assert Rendition.objects.count() == (ROWS[step] if committed else 0)
    expire_leases()
    run(step, original)
    assert crashes_seen == ([1] if leased else [] if committed else [0])
    assert Rendition.objects.count() == ROWS[step]
    assert not Lease.objects.exists()
    remove_parts(expected=int(boundary == "before_the_first_file_has_its_name"))
    assert_storage_matches_rows()


def remove_parts(*, expected: int) -> None:
    """Remove the partial files of a killed worker, as `audit --fix` does."""
    parts = [key for key in stored_keys() if key.endswith(".part")]
    assert len(parts) == expected
    for key in parts:
        default_storage.delete(key)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_step_is_not_repeated_before_its_lease_expires(
    original: Original, mortal_worker: subprocess.Popen[str]
) -> None:
    kill_at(mortal_worker, step="resize_image", original=original, boundary="after_the_lease")
    with pytest.raises(LeaseHeld):
        run("resize_image", original)
    run("generate_thumbnails", original)
    assert Rendition.objects.count() == 2


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_original_that_kills_every_worker_fails(
    original: Original, mortal_worker: subprocess.Popen[str], news: News, settings: Settings
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_CRASHES": 3}
    for _ in range(3):
        kill_at(mortal_worker, step="resize_image", original=original, boundary="after_the_first_file")
        expire_leases()
    with pytest.raises(GaveUp) as refusal:
        run("resize_image", original)
    assert refusal.value.code == "processing_failed"
    assert str(refusal.value) == "Processing failed several times. The file may be damaged or too complex."
    assert news.failed == [("resize_image", refusal.value)]
    assert news.finished == []
    assert not Lease.objects.exists()
    assert not Rendition.objects.exists()


@both_steps
def test_interrupted_step_can_restart_immediately(
    step: Step, original: Original, monkeypatch: pytest.MonkeyPatch, crashes_seen: list[int]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(renditions, "store", fail_with(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run(step, original)
    assert Lease.objects.get().expires_at is None
    run(step, original)
    assert crashes_seen == [0, 0]
    assert Rendition.objects.count() == ROWS[step]
    assert not Lease.objects.exists()


def test_failed_original_is_not_decoded_again(original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(darkroom().max_crashes):
        leases.acquire(original, "generate_thumbnails")
        expire_leases()
    monkeypatch.setattr(steps, "decode", fail_with(AssertionError("decoded")))
    with pytest.raises(GaveUp):
        run("generate_thumbnails", original)


def test_step_is_repeated_below_the_crash_limit(original: Original) -> None:
    for _ in range(darkroom().max_crashes - 1):
        leases.acquire(original, "generate_thumbnails")
        expire_leases()
    run("generate_thumbnails", original)
    assert Rendition.objects.count() == 2


# --- Errors -------------------------------------------------------------------------------


@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.parametrize("call", ["_open", "_save"])
@both_steps
def test_storage_failure_postpones_the_step(
    step: Step,
    call: str,
    original: Original,
    monkeypatch: pytest.MonkeyPatch,
    news: News,
) -> None:
    delays = []
    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, call, fail_with(OSError(errno.EIO, "Input/output error")))
        for attempt in (1, 2, 3):
            with pytest.raises(StorageUnavailable):
                run(step, original)
            lease = Lease.objects.get()
            assert (lease.attempts, lease.crashes, lease.expires_at) == (attempt, 0, None)
            assert "Input/output error" in lease.last_error
            assert lease.next_attempt_at is not None
            delays.append((lease.next_attempt_at - timezone.now()).total_seconds())
    assert delays == [4, 8, 16]
    assert (news.failed, news.finished) == ([], [])
    assert not Rendition.objects.exists()
    run(step, original)
    assert not Lease.objects.exists()
    assert_storage_matches_rows()


def test_permanent_storage_failure_fails_with_a_reason(
    original: Original, monkeypatch: pytest.MonkeyPatch, settings: Settings, news: News
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_ATTEMPTS": 2}
    monkeypatch.setattr(LocalStorage, "_open", fail_with(OSError(errno.EIO, "Input/output error")))
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            run("resize_image", original)
    with pytest.raises(GaveUp) as refusal:
        run("resize_image", original)
    assert str(refusal.value) == "The storage or the renderer was unavailable for too long. Try again later."
    assert news.failed == [("resize_image", refusal.value)]
    assert not Lease.objects.exists()


@both_steps
def test_database_failure_at_the_end_changes_nothing(
    step: Step, original: Original, monkeypatch: pytest.MonkeyPatch, news: News
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(leases, "end", fail_with(OperationalError("gone away")))
        with pytest.raises(OperationalError):
            run(step, original)
    assert not Rendition.objects.exists()
    assert Lease.objects.get().next_attempt_at is not None
    assert news.failed == []
    run(step, original)
    assert_storage_matches_rows()


@both_steps
def test_broken_image_fails_without_retry(
    step: Step, store_original: StoreOriginal, make_image: MakeImage, news: News
) -> None:
    whole = make_image(format="PNG")
    original = store_original(whole[: len(whole) // 4])
    with pytest.raises(UnreadableImage) as refusal:
        run(step, original)
    assert news.failed == [(step, refusal.value)]
    assert news.finished == []
    assert not Lease.objects.exists()
    assert not Rendition.objects.exists()
    assert_storage_matches_rows()


@both_steps
def test_lost_original_fails_with_its_code(step: Step, original: Original, news: News) -> None:
    pending_files.delete_file(original_key(original.content_hash))
    with pytest.raises(OriginalLost) as refusal:
        run(step, original)
    assert refusal.value.code == "original_lost"
    assert news.failed == [(step, refusal.value)]
    assert not Lease.objects.exists()


@both_steps
def test_missing_storage_is_not_a_lost_original(step: Step, original: Original, news: News) -> None:
    shutil.rmtree(Path(django_settings.MEDIA_ROOT) / "originals")
    with pytest.raises(
        StorageUnavailable, match=r"Check that its disk is mounted or that its bucket exists\."
    ):
        run(step, original)
    assert news.failed == []
    assert Lease.objects.get().next_attempt_at is not None


# --- Deleted meanwhile --------------------------------------------------------------------


@both_steps
def test_original_deleted_before_its_lease_is_ignored(
    step: Step, original: Original, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, steps, "_begin", lambda: originals.remove(original_id=original.pk))
    run(step, original)
    assert not Lease.objects.exists()
    assert news.failed == []
    remove_garbage()
    assert stored_keys() == set()


MOMENTS = [
    (steps, "decode"),
    (steps, "_describe"),
    (renditions, "render"),
    (renditions, "store"),
    (steps, "_finish"),
]


@pytest.mark.slow
@both_steps
@pytest.mark.parametrize("moment", MOMENTS, ids=[name for _, name in MOMENTS])
@pytest.mark.django_db(transaction=True)
def test_original_deleted_during_a_step_leaves_nothing(
    step: Step, moment: tuple[object, str], original: Original, monkeypatch: pytest.MonkeyPatch, news: News
) -> None:
    before(monkeypatch, *moment, lambda: originals.remove(original_id=original.pk))
    run(step, original)
    assert not Original.objects.exists()
    assert not Rendition.objects.exists()
    assert not Lease.objects.exists()
    remove_garbage()
    assert stored_keys() == set()
    assert (news.finished, news.failed) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_original_deleted_before_it_is_read_leaves_nothing(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, originals, "read", lambda: originals.remove(original_id=original.pk))
    run("resize_image", original)
    assert not Lease.objects.exists()
    remove_garbage()
    assert stored_keys() == set()


@both_steps
@pytest.mark.django_db(transaction=True)
def test_original_deleted_and_sent_again_keeps_its_new_files(
    step: Step, store_original: StoreOriginal, original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete_and_send_again() -> None:
        originals.remove(original_id=original.pk)
        run(step, store_original())

    before(monkeypatch, steps, "_finish", delete_and_send_again)
    run(step, original)
    assert Original.objects.get().pk != original.pk
    assert Rendition.objects.count() == ROWS[step]
    assert_storage_matches_rows()


# --- A focal point is set and removed -----------------------------------------------------


def focus_on(original: Original, point: str = "100.900") -> Focus:
    return Focus.objects.create(original=original, point=point)


@pytest.mark.django_db(transaction=True)
def test_focal_point_is_rendered_beside_existing_files(original: Original, saved_keys: list[str]) -> None:
    run_all(original)
    before_it, times = digests(), modified_at()
    focus_on(original)
    saved_keys.clear()
    run_all(original)
    assert sorted(saved_keys) == sorted(
        key.replace(".", "-100.900.", 1) for key in before_it if "/thumb-" in key
    )
    assert before_it.items() <= digests().items()
    assert times.items() <= modified_at().items()
    assert_storage_matches_rows()


@both_steps
@pytest.mark.django_db(transaction=True)
def test_focal_point_set_while_a_step_ends_is_rendered_by_the_next_run(
    step: Step, original: Original, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    set_presets(settings, medium={"width": 300, "height": 300, "mode": "fill"})
    before(monkeypatch, steps, "_finish", lambda: focus_on(original))
    run(step, original)
    assert not Rendition.objects.exclude(focus="").exists()
    assert renditions.missing(original, steps.presets_of(step)) != []
    run(step, original)
    assert renditions.missing(original, steps.presets_of(step)) == []
    assert Rendition.objects.exclude(focus="").count() == 2


@pytest.mark.django_db(transaction=True)
def test_focal_point_deleted_during_rendering_leaves_nothing(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all(original)
    focus = focus_on(original)
    before(monkeypatch, steps, "_finish", focus.delete)
    run_all(original)
    assert not Rendition.objects.exclude(focus="").exists()
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_focal_point_restored_before_deletion_keeps_its_files(original: Original) -> None:
    """Another worker renders it again after the rows were deleted, but before the files are."""
    focus_on(original)
    run_all(original)
    Focus.objects.all().delete()

    run("generate_thumbnails", original)
    focus_on(original)
    run("generate_thumbnails", original)
    assert Rendition.objects.exclude(focus="").count() == 2
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_restored_focal_point_keeps_files_just_written(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file exists, but its row does not yet, when the old row's files are removed."""
    focus_on(original)
    run_all(original)
    Focus.objects.all().delete()
    run("generate_thumbnails", original)
    assert PendingFile.objects.count() == 2
    focus_on(original)
    before(monkeypatch, steps, "_finish", remove_garbage)
    run("generate_thumbnails", original)
    assert_storage_matches_rows()


@pytest.mark.slow
@pytest.mark.parametrize("boundary", mortal.BOUNDARIES)
@pytest.mark.django_db(transaction=True)
def test_focal_point_is_rendered_after_a_kill_at_any_boundary(
    boundary: str, original: Original, mortal_worker: subprocess.Popen[str]
) -> None:
    run_all(original)
    focus_on(original)
    kill_at(mortal_worker, step="generate_thumbnails", original=original, boundary=boundary)
    expire_leases()
    run("generate_thumbnails", original)
    assert Rendition.objects.exclude(focus="").count() == 2
    remove_parts(expected=int(boundary == "before_the_first_file_has_its_name"))
    assert_storage_matches_rows()


# --- Metadata -----------------------------------------------------------------------------


@both_steps
def test_first_step_stores_metadata(step: Step, store_original: StoreOriginal, corpus: Path) -> None:
    original = store_original((corpus / "photos" / "Apple_iPhone_6.jpg").read_bytes())
    assert original.metadata is None
    run(step, original)
    original.refresh_from_db()
    assert original.metadata == {
        "camera": "Apple iPhone 6",
        "profile": "",
        "frames": 1,
        "gps": True,
        "taken_at": "2014-09-16T14:05:12",
    }


def test_older_original_is_described_when_it_is_rendered_again(original: Original) -> None:
    run_all(original)
    Original.objects.update(metadata=None, focus_x=0.123)
    rows = row_values()
    run_all(original)
    # Existing renditions are not rendered again for the metadata.
    assert row_values() == rows
    assert Original.objects.get().metadata is None
    Rendition.objects.filter(preset="medium").update(redo=True)
    run_all(original)
    original.refresh_from_db()
    assert original.metadata == {"camera": "", "profile": "", "frames": 1, "gps": False, "taken_at": None}
    # The focal point stays, because the existing crops depend on it.
    assert original.focus_x == 0.123


def test_metadata_of_an_older_version_is_replaced_by_the_first_step(original: Original) -> None:
    run_all(original)
    now = Original.objects.get().metadata
    assert now is not None
    Original.objects.update(metadata={**now, "gps": True})
    Rendition.objects.filter(preset="medium").update(redo=True)
    run_all(original)
    assert Original.objects.get().metadata == {**now, "gps": True}
    Rendition.objects.filter(preset="thumb").update(redo=True)
    run_all(original)
    assert Original.objects.get().metadata == now


# --- Truncated files ----------------------------------------------------------------------


@both_steps
def test_first_step_stores_whether_the_file_is_truncated(
    step: Step, store_original: StoreOriginal, make_image: MakeImage
) -> None:
    data = make_image(width=300, height=300)
    whole, cut = store_original(data), store_original(data[: len(data) * 9 // 10])
    for original in (whole, cut):
        assert original.truncated is False
        # A second run finds the same.
        run(step, original)
        run(step, original)
        original.refresh_from_db()
    assert (whole.truncated, cut.truncated) == (False, True)


def test_older_original_is_marked_as_truncated_when_it_is_rendered_again(
    store_original: StoreOriginal, make_image: MakeImage
) -> None:
    original = store_original(make_image()[:-2])
    run_all(original)
    Original.objects.update(truncated=False)
    rows = row_values()
    run_all(original)
    assert (row_values(), Original.objects.get().truncated) == (rows, False)
    Rendition.objects.filter(preset="medium").update(redo=True)
    run_all(original)
    assert Original.objects.get().truncated


@both_steps
def test_file_with_too_little_of_its_picture_is_refused(
    step: Step, store_original: StoreOriginal, make_image: MakeImage, news: News
) -> None:
    data = make_image(width=300, height=300)
    original = store_original(data[: len(data) // 3])
    with pytest.raises(UnreadableImage):
        run(step, original)
    ((name, refusal),) = news.failed
    assert (name, refusal.code) == (step, "unreadable_image")
    assert "less than half of the picture is there" in str(refusal)
    assert not Rendition.objects.exists()


# --- A preset changes ---------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_changed_preset_renders_only_its_renditions(
    original: Original, settings: Settings, saved_keys: list[str]
) -> None:
    run_all(original)
    times, old = modified_at(), keys_of("medium")
    set_presets(settings, medium={"width": 500})
    saved_keys.clear()
    run_all(original)
    assert set(saved_keys) == keys_of("medium")
    assert len(saved_keys) == 2
    remove_garbage()
    assert not old & stored_keys()
    assert {key: at for key, at in modified_at().items() if key not in saved_keys} == {
        key: at for key, at in times.items() if key not in old
    }
    assert set(Rendition.objects.filter(preset="medium").values_list("width", flat=True)) == {500}
    assert Rendition.objects.count() == 10
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_renditions_keep_the_credit_while_the_setting_is_on(
    store_original: StoreOriginal, make_image: MakeImage, settings: Settings
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    original = store_original(make_image(exif=exif))
    for keep in (False, True, False):
        settings.DARKROOM = {**settings.DARKROOM, "KEEP_CREDIT": keep}
        assert renditions.missing(original, conf.presets())
        run_all(original)
        original = Original.objects.get()
        assert Rendition.objects.count() == 10
        for row in Rendition.objects.all():
            with default_storage.open(row.key) as file:
                assert (b"Ada" in file.read()) is keep, row


@pytest.mark.django_db(transaction=True)
def test_old_rows_and_files_stay_if_the_commit_fails(original: Original, settings: Settings) -> None:
    run_all(original)
    rows, old = row_values(), keys_of("medium")
    set_presets(settings, medium={"width": 500})

    def fail(**kwargs: Any) -> None:
        raise OperationalError("gone away")

    step_finished.connect(fail)
    try:
        with pytest.raises(OperationalError):
            run("resize_image", original)
    finally:
        step_finished.disconnect(fail)
    assert row_values() == rows
    assert old <= stored_keys()
    run("resize_image", original)
    remove_garbage()
    assert not old & stored_keys()
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_removed_preset_and_format_are_dropped(original: Original, settings: Settings) -> None:
    run_all(original)
    set_presets(settings, small=None, large={"width": 1280, "formats": ["webp"]})
    run("resize_image", original)
    remaining = set(Rendition.objects.exclude(preset="thumb").values_list("preset", "format"))
    assert remaining == {
        ("medium", "webp"),
        ("medium", "jpeg"),
        ("large", "webp"),
        ("xlarge", "webp"),
        ("xlarge", "jpeg"),
    }
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_preset_that_becomes_a_thumbnail_moves_to_the_other_step(
    original: Original, settings: Settings, saved_keys: list[str]
) -> None:
    run_all(original)
    set_presets(settings, small={"width": 200, "height": 200})
    saved_keys.clear()
    run("resize_image", original)
    assert saved_keys == []
    run("generate_thumbnails", original)
    assert set(saved_keys) == keys_of("small")
    assert Rendition.objects.count() == 10
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_forced_rendering_gives_the_same_bytes(original: Original, saved_keys: list[str]) -> None:
    run_all(original)
    expected, rendered_at = digests(), Rendition.objects.get(preset="thumb", format="webp").rendered_at
    saved_keys.clear()
    Rendition.objects.update(redo=True)
    run_all(original)
    assert sorted(saved_keys) == sorted(expected)
    assert digests() == expected
    assert not Rendition.objects.filter(redo=True).exists()
    assert Rendition.objects.get(preset="thumb", format="webp").rendered_at > rendered_at
    assert_storage_matches_rows()


def test_only_the_new_preset_is_rendered(
    original: Original, settings: Settings, saved_keys: list[str]
) -> None:
    run_all(original)
    set_presets(settings, huge={"width": 3000, "formats": ["png"]})
    saved_keys.clear()
    run_all(original)
    assert set(saved_keys) == keys_of("huge")
    assert len(saved_keys) == 1


@both_steps
def test_original_is_decoded_once_per_step(
    step: Step, original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    before(monkeypatch, steps, "decode", lambda: decoded.append(step), times=9)
    run(step, original)
    assert decoded == [step]


def test_refusal_of_the_decoder_reaches_the_caller(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "decode", fail_with(UnreadableImage("It is damaged.")))
    with pytest.raises(Refusal, match=r"It is damaged\."):
        run("resize_image", original)


def test_rendering_one_preset_alone_gives_the_same_bytes(original: Original) -> None:
    """A rendition's bytes depend on the original and the presets, not on other missing renditions."""
    steps.run(step="resize_image", content_hash=original.content_hash)
    before = dict(original.renditions.values_list("key", "digest"))
    original.renditions.filter(preset="small").update(redo=True)
    steps.run(step="resize_image", content_hash=original.content_hash)
    assert dict(original.renditions.values_list("key", "digest")) == before
