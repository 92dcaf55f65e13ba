"""Verdicts: the decisions of the hooks on the bytes of originals, and what may go out accordingly."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from processing import clock
from processing.errors import Refusal
from processing.models import Original
from uploads.hooks import configured
from uploads.models import Upload, Verdict


class RefusedByHook(Refusal):
    """A hook has refused the image."""

    code = "refused_by_hook"
    title = "The image was refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


def current(content_hash: str) -> Verdict | None:
    """Return the verdict of the configured hooks on these bytes, or None if they have not decided."""
    return Verdict.objects.filter(content_hash=content_hash, hooks=configured.digest()).first()


def record(original: Original, *, passed: bool, hook: str = "", reason: str = "") -> Verdict:
    """Record the verdict of the configured hooks, in place of an earlier one."""
    verdict, _ = Verdict.objects.update_or_create(
        content_hash=original.content_hash,
        defaults={
            "hooks": configured.digest(),
            "passed": passed,
            "hook": hook,
            "reason": reason,
            "decided_at": clock.now(),
        },
    )
    return verdict


def forget(original_ids: Collection[int]) -> None:
    """Forget the verdicts on these originals, so that they are checked again."""
    content_hashes = Original.objects.filter(pk__in=original_ids).values("content_hash")
    Verdict.objects.filter(content_hash__in=content_hashes).delete()


def refusal_of(verdict: Verdict) -> RefusedByHook:
    """Return the refusal for an original that a hook has refused."""
    if not verdict.reason:
        return RefusedByHook("The image was refused by a check of this site.")
    # The reason is a sentence of the project's own, and is not in the catalogues.
    return RefusedByHook("{reason}", reason=verdict.reason)


def require_not_refused(content_hash: str) -> None:
    """Raise `RefusedByHook` if the configured hooks have refused these bytes before."""
    if not configured.hooks():
        return
    verdict = current(content_hash)
    if verdict is not None and not verdict.passed:
        raise refusal_of(verdict)


def may_go_out(upload: Upload) -> bool:
    """Return whether the original may be given to its owner: the hooks have passed it.

    Renditions need no such check, because an original without a verdict has none.
    """
    if upload.error_code == RefusedByHook.code:
        return False
    if not configured.hooks():
        return True
    # The upload's own chain must have come this far. Otherwise an early answer would reveal that another
    # owner has sent the same bytes.
    begun = upload.thumbnails_ready_at is not None or upload.status == Upload.Status.FAILED
    return begun and _has_passed(upload.original)


def _has_passed(original: Original) -> bool:
    """Return whether hooks have passed the original, or it was rendered before there were any."""
    verdict = Verdict.objects.filter(content_hash=original.content_hash).first()
    return original.renditions.exists() if verdict is None else verdict.passed
