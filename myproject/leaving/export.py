"""The download of everything that a person has: one at a time for each, because it reads all originals."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from processing.storages.media import StorageUnavailable
from uploads.api.export import archive
from uploads.pages.people import person_of
from uploads.serving.archive import stream

# Seconds after which the next export may start if the process of the last one was killed.
_TURN_SECONDS = 600


@login_required
@never_cache
@require_POST
def export(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Send the person's archive, unless another one is under way."""
    person = person_of(request)
    turn = f"export:{person.pk}"
    # While Redis is unavailable, the cache grants every turn.
    if not cache.add(turn, True, _TURN_SECONDS):
        messages.error(
            request, _("An export is under way. Wait until it has ended, or try again in ten minutes.")
        )
        return redirect("uploads:account")
    try:
        made = archive(person=person, request=request)
    except StorageUnavailable:
        cache.delete(turn)
        messages.error(request, _("The storage is unavailable. Try again in a minute."))
        return redirect("uploads:account")
    name = f"darkroom-{timezone.now():%Y-%m-%d}.zip"
    return StreamingHttpResponse(
        _in_turn(turn, made),
        content_type="application/zip",
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )


async def _in_turn(turn: str, made: Iterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the archive, and keep the turn until it ends."""
    try:
        async with aclosing(stream(made)) as archived:
            async for piece in archived:
                yield piece
                await sync_to_async(cache.set)(turn, True, _TURN_SECONDS)
    finally:
        await sync_to_async(cache.delete)(turn)
