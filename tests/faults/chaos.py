"""Random faults: the parts of a site are killed, frozen or broken, and repaired some seconds later."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from tests.system import wait_until

# The seconds between two faults, and until a part is repaired, by default.
PAUSE, AWAY = (0.5, 4.0), (0.5, 12.0)

Repair = Callable[[], object]


class Target(Protocol):
    """A part of a site that can be broken."""

    @property
    def name(self) -> str:
        """Return its name in the figures."""

    @property
    def processes(self) -> Sequence[str]:
        """Return the processes that a fault affects: another fault leaves them alone meanwhile."""

    @property
    def faults(self) -> Mapping[str, int]:
        """Return its faults, and their relative frequency."""

    def has_ended(self) -> bool:
        """Return whether it has ended although no fault had ended it."""

    def is_well(self) -> bool:
        """Return whether it works again after a fault. Until then, it is left alone."""

    def cause(self, fault: str, random: Random) -> Repair | None:
        """Cause a fault; return the function that repairs it, or None if there is nothing to repair."""

    def restart(self) -> None:
        """Start it again after it has ended."""


@dataclass
class Chaos:
    """Cause one fault after the other, chosen by a seeded generator."""

    targets: Sequence[Target]
    random: Random
    # The shortest and the longest time between two faults, and until a part is repaired.
    pause: tuple[float, float] = PAUSE
    away: tuple[float, float] = AWAY
    done: Counter[str] = field(default_factory=Counter)
    # The pending repairs by the name of the target: when each is due, and what it does.
    _repairs: dict[str, tuple[float, Repair]] = field(default_factory=dict)

    def run(self, *, seconds: float) -> None:
        """Cause faults for this time, and repair everything at the end."""
        ends_at = time.monotonic() + seconds
        next_at = time.monotonic()
        while time.monotonic() < ends_at:
            self._repair(until=time.monotonic())
            if time.monotonic() >= next_at:
                self._break_something()
                next_at = time.monotonic() + self.random.uniform(*self.pause)
            time.sleep(0.05)
        self._repair(until=float("inf"))

    def _repair(self, *, until: float) -> None:
        for name, (due_at, repair) in list(self._repairs.items()):
            if due_at <= until:
                del self._repairs[name]
                repair()

    def _break_something(self) -> None:
        choices = [(target, fault) for target in self.targets for fault in target.faults]
        weights = [target.faults[fault] for target, fault in choices]
        target, fault = self.random.choices(choices, weights)[0]
        away = self.random.uniform(*self.away)
        if not self._busy().isdisjoint([target.name, *target.processes]):
            return
        if target.has_ended():
            target.restart()
            self.done[f"{target.name} found ended"] += 1
            return
        if not target.is_well():
            return
        repair = target.cause(fault, self.random)
        self.done[f"{target.name} {fault}"] += 1
        if repair is not None:
            self._repairs[target.name] = (time.monotonic() + away, repair)

    def _busy(self) -> set[str]:
        """Return the targets that are broken, and their processes."""
        broken = [target for target in self.targets if target.name in self._repairs]
        return {name for target in broken for name in (target.name, *target.processes)}


@dataclass
class InTurn(Chaos):
    """Cause each fault of each target once, one after the other, in several runs."""

    runs: int = 1
    _left: deque[tuple[Target, str]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        faults = dict.fromkeys(fault for target in self.targets for fault in target.faults)
        self._left.extend(
            (target, fault) for fault in faults for target in self.targets if fault in target.faults
        )
        # The faults of each run, except that the last may have fewer.
        self._share = -(-len(self._left) // self.runs)

    def run(self, *, seconds: float) -> None:
        """Cause the faults of this run, which together last for this time, and repair each."""
        for _ in range(min(self._share, len(self._left))):
            target, fault = self._left.popleft()
            repair = target.cause(fault, self.random)
            self.done[f"{target.name} {fault}"] += 1
            time.sleep(seconds / self._share)
            if repair is not None:
                repair()
            wait_until(target.is_well)
            if target.has_ended():
                target.restart()
