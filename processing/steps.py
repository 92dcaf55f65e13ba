"""The two steps that work on bytes: thumbnails first, then every other size.

A step can run twice or concurrently, or be killed anywhere, with the same result.
"""

import base64
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Literal

from django.db import DatabaseError, transaction
from django.dispatch import Signal

from processing import conf, leases, originals, pixel_cache, renditions
from processing.conf import darkroom
from processing.errors import Refusal, TransientError
from processing.garbage import pending_files
from processing.garbage.pending_files import FileRemoved
from processing.images.encoding import thumbhash
from processing.models import Lease, Original, Rendition
from processing.presets import Preset
from processing.renderer.options import RendererDied, RendererUnavailable
from processing.renderer.rendering import RemoteSource, decode
from processing.signals import step_failed, step_finished, step_requested, step_set_aside, step_started
from processing.storages.media import StorageUnavailable

logger = logging.getLogger(__name__)

Step = Literal["generate_thumbnails", "resize_image"]

# The share of `STEP_TIME_LIMIT` within which the renderer must be done, so that its worker goes on.
_RENDERER_SHARE = 0.8
# How often an original may end its renderer before it is given up, whatever its uploads ask for.
_MOST_DEATHS = 2


class GaveUp(Refusal):
    """The step has used up its attempts."""

    code = "processing_failed"
    title = "Processing failed"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class SetAside(TransientError):
    """The original has ended its renderer once. It is tried again, where it can harm no other."""


class Postponed(TransientError):
    """A receiver of `step_requested` has postponed the step. A lease of the original says until when."""


class NotChecked(Refusal):
    """A receiver of `step_requested` has used up its attempts to decide about the original."""

    code = "not_checked"
    title = "The image could not be checked"
    status = HTTPStatus.SERVICE_UNAVAILABLE


def presets_of(step: Step) -> list[Preset]:
    """Return the presets that the step renders, largest first."""
    return [preset for preset in conf.presets() if preset.is_thumbnail == (step == "generate_thumbnails")]


def run(*, step: Step, content_hash: str, alone: bool = False) -> None:
    """Render the missing renditions of the step's presets, and send the step's signals.

    `alone` is whether no person waits behind this step. An original that has ended its renderer is decoded
    only then.

    Raises `LeaseHeld`, `StorageUnavailable`, `FileRemoved`, `RendererUnavailable`, `Postponed` or a database
    error if a later attempt may succeed, `SetAside` if that attempt is published, and a `Refusal` if none
    will succeed.
    """
    original = Original.objects.filter(content_hash=content_hash).first()
    if original is None:
        logger.info("%s: the original %s no longer exists.", step, content_hash[:12])
        return
    step_requested.send(sender=Original, original=original, step=step)
    if _is_done(original, step):
        _report_done(original, step)
    elif 0 < original.deaths < _MOST_DEATHS and not alone:
        raise SetAside(f"{original} has ended its renderer. It waits for its other attempt.")
    else:
        _run_leased(original, step)


def _is_done(original: Original, step: Step) -> bool:
    described = bool(original.color) and original.transparent is not None
    return described and not renditions.missing(original, presets_of(step))


def _report_done(original: Original, step: Step) -> None:
    with transaction.atomic():
        # The lock keeps focal points from changing, and with them the wanted recipes.
        if not originals.lock(original):
            return
        _send(step_started, original, step)
        renditions.drop_unwanted(original, presets_of(step))
        _send(step_finished, original, step)


def _run_leased(original: Original, step: Step) -> None:
    lease = _begin(original, step)
    if lease is None:
        logger.info("%s: the original %s was deleted during the step.", step, original)
        return
    try:
        if leases.is_spent(lease):
            raise _given_up(lease)
        if original.deaths >= _MOST_DEATHS:
            raise _fatal(original.fault)
        rows = _render(original, step)
        _finish(original, step, lease, rows)
    except Refusal as refusal:
        _fail(original, step, lease, refusal)
        raise
    except KeyboardInterrupt:
        # The worker was told to stop, or an operator interrupted the command.
        leases.hand_back(lease)
        raise
    except RendererDied as death:
        _record_death(original, step, lease, death)
    except (StorageUnavailable, FileRemoved, RendererUnavailable, DatabaseError) as error:
        leases.postpone(lease, error)
        raise


def _begin(original: Original, step: Step) -> Lease | None:
    """Return a lease for the step, or None if the original has been deleted meanwhile."""
    with transaction.atomic():
        if not originals.lock(original):
            return None
        lease = leases.acquire(original, step)
        _send(step_started, original, step)
    return lease


def _given_up(lease: Lease) -> GaveUp:
    if lease.last_error:
        return GaveUp("The storage or the renderer was unavailable for too long. Try again later.")
    return GaveUp("Processing failed several times. The file may be damaged or too complex.")


def _fatal(fault: str) -> GaveUp:
    """Return why an original that ends its renderers is given up."""
    if fault == "slow":
        return GaveUp("Processing takes too long, and was tried twice. Upload a smaller version.")
    return GaveUp(
        "The decoder crashed on this file, twice. Open it in an editor, save a new copy and upload that."
    )


def _record_death(original: Original, step: Step, lease: Lease, death: RendererDied) -> None:
    """Count that the original has ended its renderer, and have it tried again, or give it up.

    Raises `SetAside` or `GaveUp`.
    """
    logger.warning("%s: the original %s has ended its renderer: %s", step, original, death)
    original.deaths, original.fault = original.deaths + 1, death.fault
    Original.objects.filter(pk=original.pk).update(deaths=original.deaths, fault=original.fault)
    if original.deaths >= _MOST_DEATHS:
        refusal = _fatal(original.fault)
        _fail(original, step, lease, refusal)
        raise refusal from death
    with transaction.atomic():
        leases.set_aside(lease, death)
        _send(step_set_aside, original, step)
    raise SetAside(f"{original} has ended its renderer. It is tried again.") from death


@contextmanager
def opened_source(*, original: Original, step: Step) -> Iterator[RemoteSource]:
    """Lend the original, decoded for all presets of a step even if only some are missing.

    Each rendition's bytes depend on the set of presets that is rendered with it. Raises `StorageUnavailable`,
    `OriginalLost`, `RendererUnavailable`, `RendererDied` or the decoder's refusals.
    """
    end = time.monotonic() + darkroom().step_time_limit * _RENDERER_SHARE
    data = originals.read(original)
    presets, pays = presets_of(step), pixel_cache.pays(original)
    first = step == "generate_thumbnails"
    with ExitStack() as stack:
        handed = pixel_cache.take(original) if pays and not first else None
        if handed is not None:
            stack.enter_context(handed)
        seconds = max(0, end - time.monotonic())
        yield stack.enter_context(
            decode(
                data,
                presets=presets,
                later=presets_of("resize_image") if pays and first else [],
                handed=handed,
                limits=conf.limits(),
                resampler=conf.resampler(),
                options=conf.renderer_options(),
                seconds=seconds,
                cpu_seconds=seconds * darkroom().encoder_threads,
            )
        )


def _render(original: Original, step: Step) -> list[Rendition]:
    with opened_source(original=original, step=step) as source:
        _describe(original, source, step)
        recipes = renditions.missing(original, presets_of(step))
        renditions.announce(original, recipes)
        rows = renditions.render(original, source, recipes)
        if source.pixels and renditions.missing(original, presets_of("resize_image")):
            pixel_cache.put(original, source)
    return rows


def _describe(original: Original, source: RemoteSource, step: Step) -> None:
    """Save the properties that only decoding reveals, before any rendition is stored."""
    described: dict[str, Any] = {}
    if not (original.color and original.transparent is not None):
        described |= _seen(source)
    # Older versions of Darkroom read less or no metadata. Their originals get it when they are decoded again.
    # Only the first step sees the whole file, because the pixel cache spares the second some of it.
    metadata = asdict(source.metadata)
    if original.metadata is None or (step == "generate_thumbnails" and original.metadata != metadata):
        described["metadata"] = metadata
    if original.truncated != source.truncated:
        described["truncated"] = source.truncated
    if not described:
        return
    for name, value in described.items():
        setattr(original, name, value)
    # Updating an original that was deleted meanwhile is no error: `_finish` handles it.
    Original.objects.filter(pk=original.pk).update(**described)


def _seen(source: RemoteSource) -> dict[str, Any]:
    """Return the properties found in the pixels."""
    placeholder = source.placeholder()
    digest = thumbhash.encode(width=placeholder.width, height=placeholder.height, rgba=placeholder.rgba)
    return {
        "thumbhash": base64.b64encode(digest).decode(),
        "color": placeholder.color,
        "transparent": source.transparent,
        **dict(zip(("width", "height"), source.size, strict=True)),
        **dict(zip(("focus_x", "focus_y"), source.focus(), strict=True)),
    }


def _finish(original: Original, step: Step, lease: Lease, rows: Sequence[Rendition]) -> None:
    """Save the rows, end the lease and send the signal in one transaction."""
    with transaction.atomic():
        if not originals.lock(original):
            _clean_up(original, rows)
            return
        renditions.record(original, rows, presets_of(step))
        renditions.drop_unwanted(original, presets_of(step))
        leases.end(lease)
        if original.deaths:
            Original.objects.filter(pk=original.pk).update(deaths=0, fault="")
        _send(step_finished, original, step)


def _clean_up(original: Original, rows: Sequence[Rendition]) -> None:
    """Have the rendered files of a deleted original removed, unless the same bytes were sent again.

    The new original's files have the same keys.
    """
    if not Original.objects.filter(content_hash=original.content_hash).exists():
        pending_files.discard([row.key for row in rows])


def _fail(original: Original, step: Step, lease: Lease, refusal: Refusal) -> None:
    """End the lease and send `step_failed`, unless another worker has taken over the lease."""
    with transaction.atomic():
        if leases.end(lease):
            step_failed.send(sender=Original, content_hash=original.content_hash, step=step, refusal=refusal)


def _send(signal: Signal, original: Original, step: Step) -> None:
    signal.send(sender=Original, content_hash=original.content_hash, step=step)
