"""Purging removes the pictures of deleted and hidden uploads from the caches of `NGINX_PURGE_URL`."""

from collections.abc import Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models.signals import post_save
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from processing.conf import darkroom
from processing.errors import TransientError
from uploads import broker
from uploads.models import Upload
from uploads.owners import owner_model_name, owners

# Referenced by name, because `uploads.tasks` imports this module.
PURGE, PURGE_OWNER = "uploads.tasks.purge", "uploads.tasks.purge_owner"
# Seconds until the second purge of the same paths: a request that began before the deletion may end after the
# first purge, and nginx then keeps its answer.
_AGAIN = 10
_TIME = Timeout(connect=2, read=5)
# nginx answers 404 if it does not have the path.
_PURGED = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)


class NotPurged(TransientError):
    """An nginx did not answer, or did not purge."""


def purge_on_commit(upload: Upload) -> None:
    """Queue the purge of an upload's paths after the current transaction commits.

    If the broker is unavailable then, the cache forgets them when their life ends.
    """
    if darkroom().nginx_purge_url:
        transaction.on_commit(partial(_publish, upload.cached_paths()))


def purge_owner(owner_id: Any) -> None:
    """Queue the purge of all uploads of an owner who is suspended."""
    for upload in Upload.objects.live().filter(owner=owner_id).order_by().iterator():
        _publish(upload.cached_paths())


def purge(paths: Iterable[str]) -> None:
    """Purge these paths from the cache of each nginx. Raises `NotPurged`."""
    with PoolManager(retries=False, timeout=_TIME) as pool:
        for address in darkroom().nginx_purge_url:
            for path in paths:
                _purge(pool, address.rstrip("/") + path)


def _purge(pool: PoolManager, url: str) -> None:
    try:
        status = pool.request("GET", url, redirect=False).status
    except HTTPError as error:
        raise NotPurged(f"{url} was not purged: {error}") from error
    if status not in _PURGED:
        raise NotPurged(f"{url} was not purged: nginx answered {status}.")


def _publish(paths: Sequence[str]) -> None:
    for seconds in (0, _AGAIN):
        message = current_app.signature(PURGE, kwargs={"paths": paths}, countdown=seconds)
        broker.publish(broker.in_queue(message, darkroom().notifications_queue))


def _owner_saved(*, instance: Any, created: bool, **_: Any) -> None:
    if darkroom().nginx_purge_url and not created and not owners().is_active(instance):
        message = current_app.signature(PURGE_OWNER, kwargs={"owner_id": str(instance.pk)})
        in_queue = broker.in_queue(message, darkroom().notifications_queue)
        transaction.on_commit(lambda: broker.publish(in_queue))


post_save.connect(_owner_saved, sender=owner_model_name(), dispatch_uid="uploads.notices.purging")
