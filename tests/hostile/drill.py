"""The drill: scan bombs, a race for a quota and a reprocessing at once, beside a stranger's photograph.

Its note says after how long the stranger had the thumbnail, and how each attack was answered.
"""

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Thread

from PIL import Image

from tests.hostile.moderation import run
from tests.hostile.scene import Scene
from tests.hostile.tally import LEFT, PATIENCE, Tally, number, status_of
from tests.hostile.visitor import Visitor
from tests.processing.bombs import scan_bomb
from tests.system import wait_until

LIMIT_IMAGES = """
from django.contrib.auth.models import User
from uploads.models import Quota
person = User.objects.get(email="{email}")
Quota.objects.update_or_create(owner=person, defaults={{"max_images": {images}}})
"""
BULK_LEFT = "SELECT count(*) FROM uploads_upload WHERE bulk AND status IN ('pending', 'processing')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is sent: photographs of the crowd, racers for a quota of so many images, and bombs."""

    photographs: int = 24
    racers: int = 12
    images: int = 3
    side: tuple[int, int] = (4000, 3000)
    bombs: int = 4
    bomb_side: tuple[int, int] = (14_000, 14_000)
    scans: int = 2500


def attacks_at_once(scene: Scene, size: Size | None = None) -> str:
    """C1: bombs, a race for a quota and a reprocessing of everything; a stranger sends a photograph."""
    size = size or Size()
    crowd, racer, bomber, stranger = (scene.newcomer(name) for name in ("crowd", "racer", "bomber", "guest"))
    run(scene, LIMIT_IMAGES.format(email=racer.email, images=size.images))
    scene.wait_until_ready(crowd, *(scene.sent(crowd, data=one)["id"] for one in photographs(size)))
    bombs, race, stopped = Tally(), Tally(), Event()
    attacks: list[Callable[[], object]] = [
        *(bombing(bomber, data, bombs) for data in scan_bombs(size)),
        *(racing(scene, racer, race) for _ in range(size.racers)),
    ]
    with reprocessing_everything(scene) as told:
        wait_until(lambda: number(scene, BULK_LEFT))
        with repeated(attacks, stopped):
            wait_until(lambda: bombs.answers and race.answers)
            began_at = time.monotonic()
            upload = scene.sent(stranger, data=photograph(size, "guest"))
            wait_until(lambda: stranger.get(f"/i/{upload['id']}/thumb").status == 200)
            seconds = time.monotonic() - began_at
            left = number(scene, BULK_LEFT)
            stopped.set()
    wait_until(lambda: not number(scene, LEFT), seconds=PATIENCE)
    assert left, "everything was reprocessed before the stranger had a thumbnail"
    assert set(bombs.answers) == {"422 too_many_pixels"}, f"the bombs were answered {bombs}"
    kept = len(status_of(scene, racer))
    assert kept <= size.images, f"the race made {size.images} images into {kept}"
    assert "507 quota_exceeded" in race.answers, f"the race was answered {race}"
    assert not any(answer.startswith("500") for answer in race.answers), f"the race was answered {race}"
    assert told == [0], f"the reprocessing ended with {told}"
    return (
        f"thumbnail after {seconds:.2f} s, with {left} images still to be reprocessed; "
        f"bombs: {bombs}; quota race: {race}; {kept} of {size.images} images kept"
    )


def photographs(size: Size) -> list[bytes]:
    """Return the photographs of the crowd."""
    return [photograph(size, f"crowd {one}") for one in range(size.photographs)]


def photograph(size: Size, text: str) -> bytes:
    """Return a detailed picture with other bytes for each text."""
    data = io.BytesIO()
    detail = Image.effect_noise((size.side[0] // 4, size.side[1] // 4), 60)
    detail.resize(size.side).convert("RGB").save(data, "JPEG", comment=text)
    return data.getvalue()


def scan_bombs(size: Size) -> list[bytes]:
    """Return progressive JPEGs with thousands of scans. Each has another height, and so other bytes."""
    width, height = size.bomb_side
    return [scan_bomb((width, height - one), size.scans, refining=bool(one % 2)) for one in range(size.bombs)]


def bombing(bomber: Visitor, data: bytes, tally: Tally) -> Callable[[], object]:
    """Return an attack that sends a bomb."""
    return lambda: tally.note(bomber.send(data, name="bomb.jpg"))


def racing(scene: Scene, racer: Visitor, tally: Tally) -> Callable[[], object]:
    """Return an attack that sends, deletes, sends another picture, and restores the first."""

    def race() -> None:
        sent = tally.note(racer.send(scene.picture()))
        if sent.status == 201:
            upload = f"/api/uploads/{sent.json()['id']}/"
            tally.note(racer.call("DELETE", upload))
            tally.note(racer.send(scene.picture()))
            tally.note(racer.call("POST", f"{upload}restore/"))

    return race


@contextlib.contextmanager
def repeated(attacks: Sequence[Callable[[], object]], stopped: Event) -> Iterator[None]:
    """Repeat all attacks at once, each in a thread of its own, until `stopped` is set."""

    def repeat(attack: Callable[[], object]) -> None:
        while not stopped.is_set():
            attack()

    with ThreadPoolExecutor(len(attacks)) as pool:
        running = [pool.submit(repeat, attack) for attack in attacks]
        try:
            yield
        finally:
            stopped.set()
        for one in running:
            one.result()


@contextlib.contextmanager
def reprocessing_everything(scene: Scene) -> Iterator[list[int]]:
    """Reprocess everything meanwhile; the list then has the exit status."""
    ended: list[int] = []

    def reprocess() -> None:
        ended.append(scene.system.manage("reprocess", "--all", "--force").returncode)

    thread = Thread(target=reprocess)
    thread.start()
    try:
        yield ended
    finally:
        thread.join()
