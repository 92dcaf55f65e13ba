"""The measurement itself: one picture, every contender, round by round.

Each contender's process first does the work unmeasured with a small picture, to warm up. Then all take turns,
so that other load on the machine affects them equally. The results are medians. The memory is that of the
first turn: the peak of a process that has done the work once.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from benchmarks.catalog import Contender
from benchmarks.extents import Plan
from benchmarks.inputs.pictures import Picture
from benchmarks.measurements import Measurement, rounds_for
from benchmarks.places import FOLDER
from benchmarks.processes import ContenderFailed, Cost, Process
from benchmarks.quality.references import renditions_of


@dataclass(slots=True)
class _Turn:
    """One contender's part in the measurement of a picture."""

    contender: Contender
    process: Process | None = None
    idle_peak: int = 0
    costs: list[Cost] = field(default_factory=list)
    error: str = ""

    def is_due(self, number: int, plan: Plan) -> bool:
        """Return whether it takes part in the round of that number, counted from 0."""
        if self.error or not self.costs:
            return not self.error
        return number < rounds_for(seconds=self.costs[0].cpu, budget=plan.budget, most=plan.most)


def measure(
    *, picture: Picture, warm_up: Picture, contenders: Sequence[Contender], plan: Plan
) -> tuple[list[Measurement], dict[str, dict[str, str]]]:
    """Return the measurements of one picture, without quality, and every contender's versions.

    Contenders that cannot read the picture take no part.
    """
    with ExitStack() as stack:
        turns = [_Turn(contender) for contender in contenders if picture.kind in contender.reads]
        for turn in turns:
            _start(turn, picture, warm_up, stack)
        for number in range(plan.most):
            # Every other round is reversed, so that no contender always follows the same one.
            for turn in turns if number % 2 == 0 else reversed(turns):
                if turn.is_due(number, plan):
                    _work(turn, picture)
    versions = {turn.contender.key: turn.process.versions for turn in turns if turn.process}
    return [_measurement(turn, picture) for turn in turns], versions


def _start(turn: _Turn, picture: Picture, warm_up: Picture, stack: ExitStack) -> None:
    folder = FOLDER / "work" / picture.name / turn.contender.key
    if turn.contender.absent:
        turn.error = f"{turn.contender.program} is optional, and not installed"
        return
    try:
        turn.process = stack.enter_context(Process(contender=turn.contender, folder=folder))
        turn.idle_peak = turn.process.work(warm_up.path, renditions_of(warm_up.path)).idle_peak
    except ContenderFailed as error:
        turn.error = str(error)


def _work(turn: _Turn, picture: Picture) -> None:
    assert turn.process is not None
    try:
        turn.costs.append(turn.process.work(picture.path, renditions_of(picture.path)))
    except ContenderFailed as error:
        turn.error = str(error)


def _measurement(turn: _Turn, picture: Picture) -> Measurement:
    if turn.error:
        return Measurement(contender=turn.contender.key, picture=picture.name, error=turn.error)
    return Measurement(
        contender=turn.contender.key,
        picture=picture.name,
        cpu=median(cost.cpu for cost in turn.costs),
        wall=median(cost.wall for cost in turn.costs),
        peak=turn.costs[0].peak,
        idle_peak=turn.idle_peak,
        rounds=len(turn.costs),
        files=turn.costs[-1].files,
    )
