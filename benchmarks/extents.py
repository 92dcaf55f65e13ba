"""The extent of a run: everything, a quick look, or the smallest run of every contender."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.inputs import GROWTH, PICTURES, Picture
from benchmarks.rounds import Plan

_QUICK_PLAN = Plan(budget=1.5, most=3)
_QUICK_PICTURES = {"jpeg-12.jpg", "rgba-12.png"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The pictures and rounds of a run. Only a published run replaces the page in `docs`."""

    plan: Plan
    pictures: Sequence[Picture]
    growth: Sequence[Picture]
    growth_plan: Plan = _QUICK_PLAN
    published: bool = False


THOROUGH = Extent(plan=Plan(budget=4, most=5), pictures=PICTURES, growth=GROWTH, published=True)
QUICK = Extent(
    plan=_QUICK_PLAN,
    pictures=[picture for picture in PICTURES if picture.name in _QUICK_PICTURES],
    growth=GROWTH[:4],
)
# The second growth picture is the smallest one wider than every rendition, so its files can be judged.
SMALLEST = Extent(plan=Plan(budget=0, most=1), pictures=GROWTH[1:2], growth=[])
