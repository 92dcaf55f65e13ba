"""Stale files: temporary files on this machine that no process came back for."""

import time
from contextlib import suppress
from pathlib import Path


def remove_older(folder: Path, *, seconds: float) -> None:
    """Delete the files of a folder that were last modified more than `seconds` ago.

    Raises `OSError` if the folder cannot be read.
    """
    oldest = time.time() - seconds
    for path in folder.iterdir():
        # Another process may take the file meanwhile.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()
