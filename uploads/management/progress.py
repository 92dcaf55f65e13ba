"""The progress bar of a long command, and its end after a Ctrl-C."""

import signal
import sys
from threading import current_thread, main_thread
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar(*, quiet: bool) -> Progress:
    """Return a progress bar on standard error, shown only on a terminal."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=quiet or not console.is_terminal)


class Interruption:
    """Let the first Ctrl-C end a run between two items, and the second one end it at once.

    An interrupted step hands back its lease, so that a worker can start it again.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._requested = False

    def __enter__(self) -> Self:
        # Python allows only the main thread to set signal handlers.
        self._former = signal.signal(signal.SIGINT, self._note) if current_thread() is main_thread() else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)

    def raise_if_requested(self) -> None:
        """Raise KeyboardInterrupt after a Ctrl-C."""
        if self._requested:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self.raise_if_requested()
        self._requested = True
        for bar in self._progress.task_ids:
            self._progress.update(bar, description="Stopping")
