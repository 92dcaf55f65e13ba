"""The static files, collected anew only where one of their sources has changed."""

import fcntl
import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect() -> None:
    """Run `collectstatic`, which takes seconds, unless its result is there already.

    Several processes may call this for one folder: one collects, and the others wait for it.
    """
    root = Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    # The note lies in the folder, so a person who removes the folder removes both.
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
    """Return a digest that changes with any source, and with the way in which the files are named."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
