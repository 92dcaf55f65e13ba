"""Stale files: temporary files on this machine that no process came back for."""

import logging
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)


def remove_older(folder: Path, *, seconds: float) -> None:
    """Delete the files of a folder that were last modified more than `seconds` ago.

    A file that cannot be deleted does not stop the others. Raises `OSError` if the folder cannot be read.
    """
    oldest = time.time() - seconds
    for path in folder.iterdir():
        # Another process may take the file meanwhile.
        with suppress(FileNotFoundError):
            _remove_if_older(path, oldest)


def _remove_if_older(path: Path, oldest: float) -> None:
    if path.is_dir() or path.stat().st_mtime >= oldest:
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("Could not remove a temporary file: %s", error)
