"""The gate before every step: an original is rendered only after the configured hooks have passed it.

Each original is checked once for a list of hooks, by one worker at a time, which holds a lease. Attempts and
crashes are counted as for a step, and the sweeper restarts uploads that wait for another attempt.
"""

import logging
import os
import tempfile
from typing import Any, BinaryIO, NamedTuple

from django.conf import settings
from django.db import DatabaseError, transaction
from django.dispatch import receiver

from processing import leases, originals, renditions
from processing.conf import darkroom
from processing.errors import Refusal
from processing.leases import LeaseHeld
from processing.models import Lease, Original
from processing.originals import OriginalLost
from processing.signals import step_failed, step_requested
from processing.steps import NotChecked, Postponed
from processing.storages.media import StorageUnavailable
from uploads.hooks import configured, verdicts
from uploads.hooks.candidate import Candidate, Refused, TryLater
from uploads.hooks.configured import Hook
from uploads.hooks.time_limit import OutOfTime, limited
from uploads.models import Verdict

logger = logging.getLogger(__name__)

# The name of the check, where steps have theirs.
CHECK = "check_original"


class Refusing(NamedTuple):
    """A hook that refuses an original, with its reason."""

    hook: Hook
    reason: str


@receiver(step_requested)
def require_pass(*, original: Original, **kwargs: Any) -> None:
    """Return if the hooks have passed the original; otherwise check it first.

    Raises a `Refusal` if they refuse it or could not check it in time. Raises `Postponed`, `LeaseHeld`,
    `StorageUnavailable` or a database error if a later attempt may succeed.
    """
    if not configured.hooks():
        return
    verdict = verdicts.current(original.content_hash)
    if verdict is None:
        _check(original)
    else:
        _repeat(original, verdict)


def _repeat(original: Original, verdict: Verdict) -> None:
    """Do again what the verdict means for the original's uploads, of which some may be new."""
    if verdict.passed:
        return
    refusal = verdicts.refusal_of(verdict)
    with transaction.atomic():
        _withdraw(original, refusal)
    raise refusal


def _check(original: Original) -> None:
    lease, verdict = None, None
    with transaction.atomic():
        # A step of an original that was deleted meanwhile finds that out, too.
        if originals.lock(original):
            # Another worker may have decided before the lock.
            verdict = verdicts.current(original.content_hash)
            lease = None if verdict else leases.acquire(original, CHECK)
    if verdict is not None:
        _repeat(original, verdict)
    elif lease is not None:
        _check_leased(original, lease)


def _check_leased(original: Original, lease: Lease) -> None:
    try:
        if leases.is_spent(lease):
            _give_up(original, lease)
        else:
            _decide(original, lease, _call_all(original))
    except KeyboardInterrupt:
        # The worker was told to stop, or an operator interrupted the command.
        leases.hand_back(lease)
        raise
    except OriginalLost as lost:
        _fail(original, lease, lost)
    except (Postponed, StorageUnavailable, DatabaseError) as error:
        leases.postpone(lease, error)
        raise


def _call_all(original: Original) -> Refusing | None:
    """Call the hooks in their order; return the first that refuses, or None.

    Raises `Postponed`, `StorageUnavailable` or `OriginalLost`.
    """
    with _copied(original) as file:
        for hook in configured.hooks():
            try:
                _call(hook, original, file)
            except Refused as refused:
                return Refusing(hook, str(refused))
    return None


def _copied(original: Original) -> BinaryIO:
    """Return a temporary file with the original's bytes: each hook reads it, the storage only once."""
    file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115  # the caller closes it
    try:
        originals.copy(original, file)
    except OSError as error:
        file.close()
        raise Postponed(f"{original} could not be copied for its check: {error}") from error
    except BaseException:
        file.close()
        raise
    return file


def _call(hook: Hook, original: Original, file: BinaryIO) -> None:
    """Call a hook; raise `Postponed` if it does not decide, whatever the cause."""
    try:
        with _opened(file) as copy, limited(darkroom().hook_timeout):
            hook.check(
                Candidate(
                    content_hash=original.content_hash,
                    format=original.format,
                    width=original.width,
                    height=original.height,
                    byte_size=original.byte_size,
                    file=copy,
                )
            )
    except Refused:
        raise
    except TryLater as later:
        logger.warning("%s has not decided on %s: %s", hook.name, original, later)
        raise Postponed(f"{hook.name}: {later}") from later
    except OutOfTime:
        logger.warning("%s took longer than HOOK_TIMEOUT for %s.", hook.name, original)
        raise Postponed(f"{hook.name} took too long.") from None
    except Exception as error:
        logger.exception("%s failed for %s.", hook.name, original)
        raise Postponed(f"{hook.name}: {error!r}") from error


def _opened(file: BinaryIO) -> BinaryIO:
    """Return the file at its beginning, read-only, so that a hook may close it."""
    file.seek(0)
    return os.fdopen(os.dup(file.fileno()), "rb")


def _decide(original: Original, lease: Lease, refusing: Refusing | None) -> None:
    """Record the verdict and end the lease in one transaction.

    Raises `RefusedByHook` if the hooks refuse the original, and `LeaseHeld` if another worker has taken over.
    """
    refusal = None
    with transaction.atomic():
        if not originals.lock(original):
            return
        _end(lease)
        if refusing is None:
            verdicts.record(original, passed=True)
        else:
            verdict = verdicts.record(original, passed=False, hook=refusing.hook.name, reason=refusing.reason)
            refusal = verdicts.refusal_of(verdict)
            _withdraw(original, refusal)
    if refusal is not None:
        raise refusal


def _give_up(original: Original, lease: Lease) -> None:
    """Decide without the hooks, which could not decide in time, as the settings say.

    Raises `NotChecked` if that is no pass. It is no verdict on the bytes, so they may be tried again.
    """
    if darkroom().hooks_out_of_time == "pass":
        logger.warning(
            "%s passes unchecked: the hooks could not decide in time. %s", original, lease.last_error
        )
        _decide(original, lease, None)
    else:
        _fail(original, lease, NotChecked("The image could not be checked in time. Try again later."))


def _fail(original: Original, lease: Lease, refusal: Refusal) -> None:
    """End the lease, let the original's uploads fail, and raise the refusal."""
    with transaction.atomic():
        _end(lease)
        _report(original, refusal)
    raise refusal


def _withdraw(original: Original, refusal: Refusal) -> None:
    """Let the original's uploads fail, and remove what was rendered before these hooks were configured.

    Call this in a transaction.
    """
    originals.lock(original)
    renditions.drop_all(original)
    _report(original, refusal)


def _report(original: Original, refusal: Refusal) -> None:
    step_failed.send(sender=Original, content_hash=original.content_hash, step=CHECK, refusal=refusal)


def _end(lease: Lease) -> None:
    if not leases.end(lease):
        raise LeaseHeld(f"Another worker has taken over {lease}.")
