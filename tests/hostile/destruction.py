"""Attacks on the images: a careless operator restores and breaks, a hostile sender confuses."""

import hashlib
import tempfile
from pathlib import Path
from threading import Thread

from tests.hostile.scene import Scene
from tests.hostile.visitor import Visitor
from tests.system import wait_until

# The name that is sent, and the name that is kept.
NAMES = {
    "Screenshot 2026-11-27 at 9.41.00\u202fAM.jpg": "Screenshot 2026-11-27 at 9.41.00 AM.jpg",
    "海\u3000辺\u00a0a.jpg": "海 辺 a.jpg",
    "می\u200cخواهم.jpg": "می\u200cخواهم.jpg",
    "👩\u200d👩\u200d👧.jpg": "👩\u200d👩\u200d👧.jpg",
    "cats &copy dogs &amp; 100%25off.jpg": "cats &copy dogs &amp; 100%25off.jpg",
    "Ko\u0308ln.jpg": "Köln.jpg",
    "../photo\u202egpj\u0007.jpg": "photogpj.jpg",
}


def restored_database(scene: Scene) -> None:
    """A1: back the database up amid uploads, put it back over newer images, then clean up."""
    ada, keeper = scene.newcomer("ada"), scene.newcomer("keeper")
    pictures = [scene.picture() for _ in range(9)]
    sent: list[str] = []
    sender = Thread(target=lambda: sent.extend(ada.send(data).json()["id"] for data in pictures))
    sender.start()
    wait_until(lambda: ada.get("/api/uploads/").json()["results"])
    with tempfile.TemporaryDirectory() as folder:
        backup = Path(folder) / "backup.sqlite3"
        scene.back_up(backup)
        sender.join(timeout=300)
        later = [scene.picture() for _ in range(6)]
        sent.extend(ada.send(data).json()["id"] for data in later)
        scene.wait_until_ready(ada, *sent)
        scene.collect()
        scene.put_back(backup)
    _nothing_removed(scene, [*pictures, *later])
    adopted = scene.audit("--adopt", keeper.name)["adopted"]
    assert len(adopted) >= len(later), f"only {len(adopted)} of the newer originals were adopted"
    scene.audit("--accept-database", "--fix")
    for data in [*pictures, *later]:
        owner, upload_id = _who_has(data, ada, keeper)
        scene.wait_until_ready(owner, upload_id)
        scene.kept.append((owner, data))
    scene.collect()
    broken = scene.audit()
    assert not broken["missing"] + broken["damaged"], f"broken after the restoration: {broken}"


def _nothing_removed(scene: Scene, pictures: list[bytes]) -> None:
    """Clean up in every way while the database is older than its storage."""
    before = scene.audit("--fix")
    assert not before["agrees"], "the audit did not notice the restored database"
    scene.collect()
    lost = sum(not scene.is_stored(data) for data in pictures)
    assert not lost, f"the clean-up removed {lost} of {len(pictures)} originals"


def _who_has(data: bytes, *people: Visitor) -> tuple[Visitor, str]:
    content_hash = hashlib.sha256(data).hexdigest()
    for person in people:
        for upload in person.get("/api/uploads/?page_size=200").json()["results"]:
            if upload["content_hash"] == content_hash:
                return person, upload["id"]
    raise AssertionError("a picture has no upload after the restoration")


def lost_original(scene: Scene) -> None:
    """A2: delete the file of an original. First its owner sends the bytes again, then another person."""
    owner, other = scene.newcomer("bea"), scene.newcomer("cem")
    data = scene.picture()
    upload_id = scene.sent(owner, data=data)["id"]
    scene.wait_until_ready(owner, upload_id)
    scene.file_of(data).unlink()
    again = owner.send(data)
    assert (again.status, again.json()["duplicate"]) == (200, True), f"the owner got {again.status}"
    assert scene.is_stored(data), "the owner's bytes did not heal the deleted original"
    scene.wait_until_ready(owner, upload_id)
    scene.file_of(data).unlink()
    theirs = scene.sent(other, data=data)["id"]
    assert scene.is_stored(data), "another person's bytes did not heal the deleted original"
    scene.wait_until_ready(other, theirs)


def damaged_original(scene: Scene) -> None:
    """A2: flip a byte of an original. The audit flags it, and another person's bytes heal it for all."""
    owner, other = scene.newcomer("dan"), scene.newcomer("eda")
    data = scene.picture()
    upload_id = scene.sent(owner, data=data)["id"]
    scene.wait_until_ready(owner, upload_id)
    scene.file_of(data).write_bytes(bytes([data[0] ^ 1]) + data[1:])
    scene.audit()
    upload = owner.upload(upload_id)
    state = upload["status"], (upload["error"] or {}).get("code")
    assert state == ("failed", "original_lost"), f"the owner of a damaged original sees {state}"
    theirs = scene.sent(other, data=data)["id"]
    assert scene.is_stored(data), "another person's bytes did not heal the damaged original"
    scene.wait_until_ready(other, theirs)
    scene.wait_until_ready(owner, upload_id)


def several_files(scene: Scene) -> None:
    """A3: send two files in one form, and a misspelt filter."""
    mallory = scene.newcomer("fay")
    answer = mallory.send(scene.picture(), scene.picture())
    assert (answer.status, answer.json()["code"]) == (400, "several_files"), answer.text
    uploads = mallory.get("/api/uploads/").json()["results"]
    assert uploads == [], "one of two files was accepted"
    status = mallory.get("/api/uploads/?statsu=ready").status
    assert status == 400, f"an unknown parameter of a list was answered with {status}"


def file_names(scene: Scene) -> None:
    """A4: send names with rare characters."""
    person = scene.newcomer("gus")
    for name, kept in NAMES.items():
        filename = scene.sent(person, name=name)["filename"]
        assert filename == kept, f"{name!a} became {filename!a}"
    page = person.get("/?q=Ko%CC%88ln").text
    assert "Köln.jpg" in page, "the search does not find a name in another normalisation form"


def everything_is_there(scene: Scene) -> None:
    """Fetch every original that was sent, and read all of the storage."""
    for owner, data in scene.kept:
        _, upload_id = _who_has(data, owner)
        body = owner.get(f"/uploads/{upload_id}/original").body
        assert body == data, f"{owner.name} has lost an original"
    broken = scene.audit()
    lost = [*broken["missing"], *broken["damaged"], *broken["lost"]]
    assert not lost, f"{len(lost)} files are missing or damaged: {lost[:3]}"
