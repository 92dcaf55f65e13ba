"""Random faults: processes of a site are killed or frozen, and restored some seconds later."""

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.faults.site import Site

# The faults, the process that each one hits, and their relative frequency.
FAULTS = {
    ("kill a process of", "worker"): 6,
    ("kill the main process of", "worker"): 2,
    ("kill", "worker"): 2,
    ("freeze", "worker"): 2,
    ("kill", "second"): 1,
    ("freeze", "second"): 1,
    ("kill", "beat"): 1,
    ("freeze", "beat"): 1,
    ("kill", "web"): 2,
    ("freeze", "web"): 1,
    ("kill", "redis"): 2,
    ("freeze", "redis"): 2,
    ("kill", "database"): 2,
}
# Seconds between two faults, and seconds until a process is restored.
PAUSE, AWAY = (0.5, 4.0), (0.5, 12.0)


@dataclass
class Chaos:
    """Cause one fault after the other, chosen by a seeded generator."""

    site: Site
    random: Random
    done: Counter[str] = field(default_factory=Counter)
    # The ends of the logs of processes that ended although no fault had killed them.
    ended: list[str] = field(default_factory=list)
    # The pending repairs by process: when each is due, and what it does.
    repairs: dict[str, tuple[float, Callable[[], None]]] = field(default_factory=dict)

    def run(self, *, seconds: float) -> None:
        """Cause faults for this time."""
        ends_at = time.monotonic() + seconds
        next_at = time.monotonic()
        while time.monotonic() < ends_at:
            self._repair()
            if time.monotonic() >= next_at:
                self._break_something()
                next_at = time.monotonic() + self.random.uniform(*PAUSE)
            time.sleep(0.05)

    def _repair(self) -> None:
        for name, (due_at, repair) in list(self.repairs.items()):
            if time.monotonic() >= due_at:
                del self.repairs[name]
                repair()

    def _break_something(self) -> None:
        fault, name = self.random.choices(list(FAULTS), list(FAULTS.values()))[0]
        away = self.random.uniform(*AWAY)
        # A process that is killed or frozen already is left alone until it is restored.
        if name in self.repairs:
            return
        if not self.site.runs(name):
            # The process ended although no fault had killed it.
            fault = "find ended"
            self.ended.append(self.site.log(name).read_text()[-5000:])
        repair = self._break(fault, name)
        self.done[f"{fault} {name}"] += 1
        if repair is not None:
            self.repairs[name] = (time.monotonic() + away, repair)

    def _break(self, fault: str, name: str) -> Callable[[], None] | None:
        """Cause a fault, and return the function that repairs it."""
        if fault == "kill a process of":
            self._kill_child(name)
            return None
        if fault == "freeze":
            self.site.stop(name)
            return lambda: self.site.go_on(name)
        self.site.kill(name, alone=fault == "kill the main process of")
        return lambda: self.site.start(name)

    def _kill_child(self, name: str) -> None:
        """Kill one of a worker's child processes, which the worker replaces."""
        children = [pid for pid in self.site.group(name) if pid != self.site.pid(name)]
        if children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(children), signal.SIGKILL)
