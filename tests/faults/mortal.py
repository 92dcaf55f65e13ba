"""Fault injection: a process kills or freezes itself at a boundary that an order names.

Workers load this module by `--include tests.faults.mortal`, the web process by `tests.faults.mortal_web`. An
order is a file in the folder MORTAL_DIR. Its name consists of the boundary and the item in work:
`resize_image.after_the_first_file.<content hash>`. Without orders, the processes behave normally.

An order named `renderer.<content hash>` is passed to the renderer (`tests.faults.mortal_renderer`) with the
original, except for "kill", which comes from outside.
"""

import hashlib
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from processing import originals, steps
from processing.garbage import pending_files
from processing.renderer.client import Renderer
from processing.renderer.frames import Header
from processing.renderer.options import Options
from tests.processing.mortal import BOUNDARIES
from uploads import pipeline, tasks

ORDERS = Path(os.environ["MORTAL_DIR"])
# An order is carried out once, or each time if it ends with "always".
SIGNALS = {"kill": signal.SIGKILL, "crash": signal.SIGSEGV, "stop": signal.SIGSTOP}
# The current step and content hash, as `step.%s.hash`.
_work: ContextVar[str] = ContextVar("work", default="no_step.%s")


def reach(name: str) -> None:
    """Carry out the order for this boundary, if there is one, and record it."""
    if action := _taken(name):
        os.kill(os.getpid(), SIGNALS[action])


def _taken(name: str) -> str:
    """Return the action that is ordered for this boundary, or "", and record it."""
    order = ORDERS / name
    with suppress(FileNotFoundError):
        action, _, always = order.read_text().partition(" ")
        if not always:
            # If several processes arrive together, only the one that renames the file continues.
            order.rename(ORDERS / f"taken.{os.getpid()}.{name}")
        with (ORDERS / f"reached.{name}").open("a") as note:
            note.write(f"{os.getpid()}\n")
        return action
    return ""


def _arm(
    owner: Any,
    name: str,
    *,
    before: Callable[..., str] | None = None,
    after: Callable[..., str] | None = None,
) -> None:
    """Call `reach` before or after a function, with a name that is made from its arguments."""
    call = getattr(owner, name)

    def announced(*arguments: Any, **options: Any) -> Any:
        if before is not None:
            reach(before(*arguments, **options))
        result = call(*arguments, **options)
        if after is not None:
            reach(after(*arguments, **options))
        return result

    setattr(owner, name, announced)


def _arm_steps() -> None:
    for boundary, (owner, name, when) in BOUNDARIES.items():

        def reached(*_: Any, boundary: str = boundary, **__: Any) -> str:
            return _work.get().replace("%s", boundary)

        _arm(owner, name, **{when: reached})
    run = steps.run

    def run_named(*, step: Any, content_hash: str, **options: Any) -> None:
        _work.set(f"{step}.%s.{content_hash}")
        run(step=step, content_hash=content_hash, **options)
        # The task is done, but the next one of its chain is not published yet.
        reach(f"{step}.before_the_next.{content_hash}")

    steps.run = run_named


def _arm_renderers() -> None:
    start, ask = Renderer.__init__, Renderer.ask

    def start_mortal(self: Renderer, options: Options) -> None:
        start(self, options, module="tests.faults.mortal_renderer")

    def ask_to_fail(self: Renderer, request: Header, body: bytes = b"", files: Sequence[int] = ()) -> None:
        decodes = request["do"] == "decode"
        action = _taken(f"renderer.{hashlib.sha256(body).hexdigest()}") if decodes else ""
        ask(self, request | {"fail": action} if action else request, body, files)
        if action == "kill":
            os.kill(self.pid, signal.SIGKILL)

    Renderer.__init__, Renderer.ask = start_mortal, ask_to_fail  # type: ignore[method-assign,assignment]


_arm_steps()
_arm_renderers()
_arm(
    tasks,
    "complete",
    before=lambda upload_id: f"notify_owner.before.{upload_id}",
    after=lambda upload_id: f"notify_owner.after.{upload_id}",
)
_arm(
    pipeline,
    "start",
    before=lambda upload: f"receive.before_the_message.{upload.original.content_hash}",
)
_arm(
    originals,
    "claim",
    before=lambda content_hash, **_: f"receive.before_the_rows.{content_hash}",
)
_arm(pending_files, "delete_file", after=lambda key: f"collect.after.{key.rpartition('/')[2]}")
