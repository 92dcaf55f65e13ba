"""The gate: nothing is rendered before the hooks have passed it, whatever happens to them."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone

from processing import leases, originals, steps
from processing.fingerprint import original_key
from processing.leases import LeaseHeld
from processing.models import Lease, Original, Rendition
from processing.originals import OriginalLost
from processing.steps import NotChecked, Postponed
from processing.storages.media import StorageUnavailable
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows
from tests.processing.processes import ROOT, environment
from tests.threads import run_at_once
from tests.uploads.hooks import scripted
from tests.uploads.hooks.conftest import SCRIPTED, Configure, refuse
from uploads import completion, services
from uploads.hooks import Candidate, Refused
from uploads.hooks.gate import CHECK
from uploads.hooks.verdicts import RefusedByHook
from uploads.models import Delivery, Event, Quota, Upload, Verdict
from uploads.testing import render
from uploads.upkeep import sweeper

pytestmark = pytest.mark.django_db
REASON = "It shows a cat. Upload a dog."


def step(upload: Upload) -> None:
    steps.run(step="generate_thumbnails", content_hash=upload.original.content_hash)


def spend(upload: Upload, **fields: Any) -> None:
    """Record that the check of an upload was tried before."""
    lease = leases.acquire(upload.original, CHECK)
    leases.postpone(lease, OSError("away"))
    Lease.objects.filter(pk=lease.pk).update(**fields)


def assert_nothing_is_rendered(upload: Upload) -> None:
    upload.refresh_from_db()
    assert upload.thumbnails_ready_at is None
    assert upload.shown_renditions() == []
    assert not Rendition.objects.exists()


class TestPass:
    def test_original_that_passes_is_rendered(
        self, send: Send, make_image: MakeImage, hook: list[str]
    ) -> None:
        told: list[Candidate] = []
        scripted.answer = told.append
        data = make_image(width=50, height=40)
        upload = render(send(data))
        assert upload.status == "ready"
        assert hook == [upload.original.content_hash]
        (candidate,) = told
        assert (candidate.format, candidate.width, candidate.height) == ("jpeg", 50, 40)
        assert (candidate.content_hash, candidate.byte_size) == (hook[0], len(data))
        assert candidate.file.closed
        assert Verdict.objects.get().passed
        assert not Lease.objects.exists()

    def test_each_original_is_checked_once(self, send: Send, stranger: User, hook: list[str]) -> None:
        for upload in (send(), send(by=stranger)):
            render(upload)
            services.reprocess_here(upload=upload)
        assert len(hook) == 1

    def test_every_hook_has_to_pass(self, send: Send, hook: list[str], configure: Configure) -> None:
        scripted.answer = refuse
        configure("passing", "scripted")
        with pytest.raises(RefusedByHook):
            render(send())

    def test_hook_may_close_its_file(self, send: Send, hook: list[str], configure: Configure) -> None:
        scripted.answer = lambda candidate: candidate.file.close()
        configure("scripted", {"NAME": f"{SCRIPTED}.scripted", "OPTIONS": {"again": True}})
        upload = render(send())
        assert upload.status == "ready"
        assert hook == [upload.original.content_hash] * 2

    def test_without_hooks_there_is_no_verdict(self, send: Send) -> None:
        render(send())
        assert not Verdict.objects.exists()

    @pytest.mark.slow
    @pytest.mark.django_db(transaction=True)
    def test_concurrent_steps_check_once(
        self, send: Send, hook: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = send()
        outcomes = run_at_once(*[lambda: step(upload)] * 3)
        assert {type(outcome) for outcome in outcomes} <= {type(None), LeaseHeld}
        assert None in outcomes
        assert len(hook) == 1


class TestRefuse:
    @pytest.fixture(autouse=True)
    def _refuse(self, hook: list[str]) -> None:
        scripted.answer = refuse

    def test_upload_fails_with_the_reason(self, send: Send, hook: list[str]) -> None:
        upload = send()
        with pytest.raises(RefusedByHook, match="It shows a cat"):
            render(upload)
        assert_nothing_is_rendered(upload)
        assert (upload.status, upload.error_code, upload.failure) == ("failed", "refused_by_hook", REASON)
        event = Event.objects.get(name="upload.failed")
        assert (event.data["code"], event.data["detail"]) == ("refused_by_hook", REASON)
        assert Delivery.objects.filter(event=event, channel="in_app").count() == 1
        assert not Lease.objects.exists()
        assert_storage_matches_rows()

    def test_repeated_steps_do_not_ask_again(self, send: Send, hook: list[str]) -> None:
        upload = send()
        for _ in range(3):
            with pytest.raises(RefusedByHook):
                step(upload)
        assert len(hook) == 1
        assert Event.objects.filter(name="upload.failed").count() == 1

    def test_reprocessing_does_not_pass_the_gate(self, send: Send, hook: list[str]) -> None:
        upload = send()
        for reprocess in (render, lambda upload: services.reprocess_here(upload=upload)):
            with pytest.raises(RefusedByHook):
                reprocess(upload)
        assert_nothing_is_rendered(upload)
        assert upload.status == "failed"

    def test_same_bytes_of_another_owner_are_refused_at_once(
        self, send: Send, stranger: User, hook: list[str]
    ) -> None:
        with pytest.raises(RefusedByHook):
            render(send())
        with pytest.raises(RefusedByHook) as refusal:
            send(by=stranger)
        assert str(refusal.value) == REASON
        assert Upload.objects.count() == 1
        assert not Quota.objects.filter(owner=stranger, images__gt=0).exists()

    def test_bytes_stay_refused_after_their_original_is_gone(
        self, send: Send, owner: User, stranger: User
    ) -> None:
        upload = send()
        with pytest.raises(RefusedByHook):
            render(upload)
        services.purge_upload(owner=owner, upload_id=upload.pk)
        originals.remove(original_id=upload.original_id)
        with pytest.raises(RefusedByHook):
            send(by=stranger)

    def test_owner_gets_the_failed_upload_for_the_same_bytes(
        self, send: Send, owner: User, make_image: MakeImage, make_file: MakeFile
    ) -> None:
        upload = send()
        with pytest.raises(RefusedByHook):
            render(upload)
        received = services.receive_upload(owner=owner, file=make_file(make_image()))
        assert (received.duplicate, received.upload.pk) == (True, upload.pk)
        assert received.upload.status == "failed"

    def test_changed_list_decides_again(self, send: Send, stranger: User, configure: Configure) -> None:
        upload = send()
        with pytest.raises(RefusedByHook):
            render(upload)
        configure("passing")
        assert render(send(by=stranger)).status == "ready"
        services.reprocess_here(upload=upload)
        upload.refresh_from_db()
        assert (upload.status, upload.error_code) == ("ready", "")

    def test_force_decides_again(self, send: Send) -> None:
        upload = send()
        with pytest.raises(RefusedByHook):
            render(upload)
        scripted.answer = bool
        services.reprocess_here(upload=upload, force=True)
        upload.refresh_from_db()
        assert upload.status == "ready"

    def test_refusal_without_a_reason_has_a_sentence(self, send: Send, hook: list[str]) -> None:
        def refuse_silently(_candidate: Candidate) -> None:
            raise Refused

        scripted.answer = refuse_silently
        with pytest.raises(RefusedByHook, match="refused by a check of this site"):
            render(send())

    def test_reason_may_contain_braces(self, send: Send) -> None:
        def refuse_in_braces(_candidate: Candidate) -> None:
            raise Refused("{this} is no placeholder")

        scripted.answer = refuse_in_braces
        with pytest.raises(RefusedByHook, match=r"^\{this\} is no placeholder$"):
            render(send())


class TestRefusedLater:
    """An image that was ready is refused by hooks that were configured later."""

    @pytest.fixture
    def ready(self, send: Send) -> Upload:
        return render(send())

    def test_nothing_of_it_is_shown_any_more(
        self, ready: Upload, send: Send, stranger: User, hook: list[str]
    ) -> None:
        scripted.answer = refuse
        theirs = send(by=stranger)
        with pytest.raises(RefusedByHook):
            render(theirs)
        for upload in (ready, theirs):
            assert_nothing_is_rendered(upload)
            assert (upload.status, upload.error_code) == ("failed", "refused_by_hook")
            assert upload.ready_at is None
        assert_storage_matches_rows()

    def test_it_stays_while_the_hooks_are_unavailable(
        self, ready: Upload, hook: list[str], configure: Configure
    ) -> None:
        configure("away")
        with pytest.raises(Postponed):
            services.reprocess_here(upload=ready)
        spend(ready, attempts=99)
        with pytest.raises(NotChecked):
            render(ready)
        ready.refresh_from_db()
        assert (ready.status, ready.error_code) == ("failed", "not_checked")
        assert len(ready.shown_renditions()) == 10

    def test_it_is_shown_again_if_they_change_their_mind(
        self, ready: Upload, hook: list[str], configure: Configure
    ) -> None:
        scripted.answer = refuse
        with pytest.raises(RefusedByHook):
            services.reprocess_here(upload=ready)
        configure()
        services.reprocess_here(upload=ready)
        ready.refresh_from_db()
        assert ready.status == "ready"
        assert len(ready.shown_renditions()) == 10


class TestUndecided:
    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("away", "the scanner is unavailable"),
            ("failing", "a mistake of the project"),
            ("hanging", "took too long"),
        ],
    )
    def test_check_is_postponed(
        self, name: str, told: str, send: Send, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(name, HOOK_TIMEOUT=0.05)
        upload = send()
        with pytest.raises(Postponed, match=told):
            step(upload)
        lease = Lease.objects.get()
        assert (lease.step, lease.attempts, lease.crashes, lease.expires_at) == (CHECK, 1, 0, None)
        assert lease.next_attempt_at is not None
        assert told in lease.last_error
        assert f"{SCRIPTED}.{name}" in caplog.text
        assert_nothing_is_rendered(upload)
        assert upload.status == "pending"
        assert not Verdict.objects.exists()

    def test_sweeper_restarts_the_upload_when_the_attempt_is_due(
        self, send: Send, configure: Configure
    ) -> None:
        configure("away")
        upload = send()
        Upload.objects.update(queued_at=timezone.now() - timedelta(minutes=1))
        with pytest.raises(Postponed):
            step(upload)
        assert not sweeper.standing_still(drained=sweeper.LANES).exists()
        Lease.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
        assert sweeper.standing_still(drained=()).get() == upload

    def test_upload_is_rendered_when_the_hook_is_back(self, send: Send, configure: Configure) -> None:
        configure("away")
        upload = send()
        with pytest.raises(Postponed):
            step(upload)
        # The list is another, and the attempts go on being counted.
        configure("passing")
        assert render(upload).status == "ready"
        assert not Lease.objects.exists()

    @pytest.mark.parametrize("fields", [{"attempts": 20}, {"crashes": 3}], ids=["attempts", "crashes"])
    def test_out_of_time_counts_as_refused(self, fields: dict[str, int], send: Send, hook: list[str]) -> None:
        upload = send()
        spend(upload, **fields)
        with pytest.raises(NotChecked):
            step(upload)
        assert hook == []
        assert_nothing_is_rendered(upload)
        assert (upload.status, upload.error_code) == ("failed", "not_checked")
        assert not Verdict.objects.exists()
        services.reprocess_here(upload=upload)
        upload.refresh_from_db()
        assert upload.status == "ready"

    def test_out_of_time_can_count_as_passed(
        self, send: Send, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure("failing", HOOKS_OUT_OF_TIME="pass")
        upload = send()
        spend(upload, attempts=20)
        assert render(upload).status == "ready"
        assert "passes unchecked" in caplog.text

    def test_interrupted_check_may_start_again_at_once(self, send: Send, hook: list[str]) -> None:
        def interrupt(_candidate: Candidate) -> None:
            raise KeyboardInterrupt

        scripted.answer = interrupt
        upload = send()
        with pytest.raises(KeyboardInterrupt):
            step(upload)
        assert (Lease.objects.get().expires_at, Lease.objects.get().attempts) == (None, 0)

    def test_worker_that_was_overtaken_decides_nothing(self, send: Send, hook: list[str]) -> None:
        def overtake(_candidate: Candidate) -> None:
            Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
            leases.acquire(Original.objects.get(), CHECK)

        scripted.answer = overtake
        upload = send()
        with pytest.raises(LeaseHeld):
            step(upload)
        assert not Verdict.objects.exists()
        assert Lease.objects.get().crashes == 1
        assert_nothing_is_rendered(upload)

    def test_original_deleted_during_its_check_leaves_nothing(
        self, send: Send, owner: User, hook: list[str]
    ) -> None:
        def delete(_candidate: Candidate) -> None:
            services.purge_upload(owner=owner, upload_id=upload.pk)
            originals.remove(original_id=upload.original_id)

        scripted.answer = delete
        upload = send()
        step(upload)
        assert not Verdict.objects.exists()
        assert_storage_matches_rows()


class TestStorage:
    def test_lost_original_fails_with_its_code(self, send: Send, hook: list[str]) -> None:
        send(name="other.jpg")
        upload = Upload.objects.get()
        default_storage.delete(original_key(upload.original.content_hash))
        with pytest.raises(OriginalLost):
            step(upload)
        upload.refresh_from_db()
        assert (upload.status, upload.error_code) == ("failed", "original_lost")
        assert hook == []

    def test_damaged_original_is_shown_to_no_hook(
        self, send: Send, hook: list[str], overwrite: Callable[[Upload], None]
    ) -> None:
        upload = send()
        overwrite(upload)
        with pytest.raises(OriginalLost):
            step(upload)
        assert hook == []
        assert Original.objects.get().suspect

    def test_unavailable_storage_postpones_the_check(
        self, send: Send, hook: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_arguments: object) -> None:
            raise StorageUnavailable("The storage is away.")

        upload = send()
        monkeypatch.setattr(originals, "copy", fail)
        with pytest.raises(StorageUnavailable):
            step(upload)
        assert Lease.objects.get().last_error == "The storage is away."

    def test_full_disk_postpones_the_check(
        self, send: Send, hook: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_arguments: object) -> None:
            raise OSError(28, "No space left on device")

        upload = send()
        monkeypatch.setattr(originals, "copy", fail)
        with pytest.raises(Postponed, match="No space left"):
            step(upload)

    @pytest.fixture
    def overwrite(self) -> Callable[[Upload], None]:
        def write(upload: Upload) -> None:
            with open(default_storage.path(original_key(upload.original.content_hash)), "r+b") as file:
                file.write(b"other bytes")

        return write


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_hook_that_kills_its_worker_is_given_up(send: Send, configure: Configure) -> None:
    configure("deadly")
    upload = send()
    code = (
        "import django; django.setup(); from processing import steps;"
        f"steps.run(step='generate_thumbnails', content_hash={upload.original.content_hash!r})"
    )
    for crashes in range(3):
        process = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**environment(), "HOOKS": f"{SCRIPTED}.deadly"},
            check=False,
            timeout=120,
        )
        assert process.returncode == -9
        assert Lease.objects.get().crashes == crashes
        with pytest.raises(LeaseHeld):
            step(upload)
        Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotChecked):
        step(upload)
    assert_nothing_is_rendered(upload)
    assert completion.complete(upload.pk) is False
