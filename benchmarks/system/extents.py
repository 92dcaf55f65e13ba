"""The extent of a run: the published one, a quick look, or the smallest run of every stage."""

from dataclasses import dataclass

from benchmarks.inputs.pictures import PICTURES, Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is sent. Only a published run replaces the page in `docs`.

    One person sends a batch of `photographs` over so many `connections`. Meanwhile another person sends one
    after the other, with pauses of `pause` seconds. Before that, this other person sends `alone` photographs
    while nothing else is going on.
    """

    picture: Picture
    photographs: int
    alone: int
    pause: float
    # The upload page sends this many files at once.
    connections: int = 4
    published: bool = False


def _picture(name: str) -> Picture:
    return next(picture for picture in PICTURES if picture.name == name)


THOROUGH = Extent(picture=_picture("jpeg-12.jpg"), photographs=200, alone=60, pause=1, published=True)
QUICK = Extent(picture=_picture("jpeg-12.jpg"), photographs=50, alone=20, pause=0.5)
SMALLEST = Extent(picture=_picture("jpeg-0.5.jpg"), photographs=4, alone=2, pause=1)
