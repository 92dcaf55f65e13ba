"""Leftovers: files on this machine that whoever they were meant for never came for."""

import time
from contextlib import suppress
from pathlib import Path


def remove_older(folder: Path, *, seconds: float) -> None:
    """Remove the files of a folder that were last written to longer ago than that.

    Raises `OSError` where the folder cannot be read.
    """
    oldest = time.time() - seconds
    for path in folder.iterdir():
        # What is taken up meanwhile vanishes from here.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()
