"""The stages of a run: another person alone, beside a batch, and while everything is reprocessed."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from threading import Event, Thread

from benchmarks.system.extents import Extent
from benchmarks.system.figures import Figures, figures
from benchmarks.system.sender import Sender, SystemFailed, run
from tests.system import System


def measure(system: System, extent: Extent) -> Figures:
    """Run all stages on a system that is ready and empty, and return the figures.

    Raises `SystemFailed`.
    """
    photograph = extent.picture.path.read_bytes()
    ada = Sender(system, name="ada", photograph=photograph)
    bob = Sender(system, name="bob", photograph=photograph)
    # The first photographs pay for what processes load once.
    ada.send_batch(extent.connections, connections=extent.connections)
    ada.wait_until_ready()
    ada.sent()

    bob.send_until(Event(), pause=extent.pause, most=extent.alone)
    bob.wait_until_ready()
    alone = bob.sent()

    with _sending(bob, extent):
        ada.send_batch(extent.photographs, connections=extent.connections)
        ada.wait_until_ready()
    bob.wait_until_ready()
    batch, meanwhile = ada.sent(), bob.sent()

    with _sending(bob, extent):
        run(system, "reprocess", "--all", "--force")
        ada.wait_until_ready()
    bob.wait_until_ready()
    return figures(alone=alone, batch=batch, meanwhile=meanwhile, reprocessing=bob.sent())


@contextmanager
def _sending(person: Sender, extent: Extent) -> Iterator[None]:
    """Let a person send one photograph after the other until the end of the block."""
    stopped, errors = Event(), list[Exception]()

    def send() -> None:
        try:
            person.send_until(stopped, pause=extent.pause)
        except (OSError, SystemFailed, HTTPException, ValueError, KeyError) as error:
            errors.append(error)

    thread = Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    for error in errors:
        raise SystemFailed(f"The other person could not send: {error}") from error
