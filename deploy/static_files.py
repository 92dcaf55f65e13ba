"""The static files, collected again only if one of their sources has changed."""

import fcntl
import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect() -> None:
    """Run `collectstatic`, which takes seconds, unless its result is current.

    Several processes may call this for one folder: one collects, and the others wait for it.
    """
    root = Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    # The note of what was collected is in the folder, so that removing the folder removes both.
    with (root / ".collected").open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        note.seek(0)
        sources = _sources()
        if note.read() == sources:
            return
        note.truncate(0)
        call_command("collectstatic", interactive=False, verbosity=0)
        note.write(sources)


def _sources() -> str:
    """Return a digest that changes with any source, and with the naming of the files."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
