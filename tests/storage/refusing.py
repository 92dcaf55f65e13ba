"""Use a local storage while the kernel refuses links and locks, as some network file systems do.

`python -m tests.storage.refusing FOLDER` prints, as JSON, the calls that the kernel refused, and what the
storage then contains.
"""

import errno
import fcntl
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import TemporaryUploadedFile

from processing.renderer import call_filter, system_calls
from processing.renderer.call_filter import (
    ALLOW,
    EPERM,
    EQUAL,
    ERRNO,
    LOAD,
    RETURN,
    instruction,
    returned_for,
)
from processing.storages.local import LocalStorage

# The numbers on x86-64 and aarch64, which has no `link` and `symlink`: asm/unistd_64.h, asm-generic/unistd.h.
_REFUSED = {
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "flock": (73, 32),
}
_FCNTL = (72, 25)
# fcntl.h: F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW.
_LOCKS = (6, 7, 37, 38)


def refuse() -> None:
    """Have the kernel refuse this process links with EPERM (link(2)), and locks with ENOLCK (fcntl(2))."""
    column = call_filter.ARCHITECTURES.index(system_calls.machine())
    calls = {name: number for name, numbers in _REFUSED.items() if (number := numbers[column]) is not None}
    system_calls.forbid_new_privileges()
    system_calls.filter_calls(
        [
            instruction(LOAD, call_filter.CALL),
            *(
                one
                for name, number in calls.items()
                for one in returned_for(number, ERRNO | (errno.ENOLCK if name == "flock" else EPERM))
            ),
            instruction(EQUAL, _FCNTL[column], if_false=1 + 2 * len(_LOCKS)),
            instruction(LOAD, call_filter.SECOND),
            *(one for command in _LOCKS for one in returned_for(command, ERRNO | errno.ENOLCK)),
            instruction(RETURN, ALLOW),
        ]
    )


def refused_calls(folder: Path) -> list[str]:
    """Return which of the calls the kernel refuses."""
    path = folder / "file"
    path.touch()
    with path.open("r+") as file:
        calls: dict[str, Callable[[], Any]] = {
            "link": lambda: os.link(path, folder / "other"),
            "symlink": lambda: os.symlink(path, folder / "other"),
            "flock": lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB),
            "lockf": lambda: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB),
        }
        return [name for name, call in calls.items() if _is_refused(call)]


def _is_refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except OSError:
        return True
    return False


def received(data: bytes) -> TemporaryUploadedFile:
    """Return a file as the form's upload handler makes it."""
    file = TemporaryUploadedFile("photo", "image/jpeg", len(data), None)
    file.write(data)
    file.seek(0)
    return file


def use(storage: LocalStorage) -> list[str]:
    """Write, replace, read and remove files; return the contents at the end."""
    storage.check()
    storage.save("originals/ab/received", received(b"received"))
    storage.save("originals/ab/replaced", ContentFile(b"first"))
    storage.save("originals/ab/replaced", received(b"second"))
    storage.save("renditions/cd/ef/thumb.webp", ContentFile(b"pixels"))
    storage.save("renditions/cd/ef/removed.webp", ContentFile(b"pixels"))
    storage.delete("renditions/cd/ef/removed.webp")
    with NamedTemporaryFile(dir=Path(storage.location) / "originals", suffix=".part"):
        storage.remove_incomplete(seconds=3600)
    assert storage.is_there()
    keys = sorted(key for folder in ("originals", "renditions") for key, _ in storage.walk(folder))
    return [f"{key} {storage.open(key).read().decode()} {storage.size(key)}" for key in keys]


if __name__ == "__main__":
    settings.configure(FILE_UPLOAD_TEMP_DIR=sys.argv[1], FILE_UPLOAD_PERMISSIONS=0o600)
    refuse()
    refused = refused_calls(Path(sys.argv[1]))
    contents = use(LocalStorage(location=Path(sys.argv[1]) / "media"))
    sys.stdout.write(json.dumps({"refused": refused, "contents": contents}))
