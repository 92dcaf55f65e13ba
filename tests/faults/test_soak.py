"""The soak test itself: what it asks again, what it breaks, and what it finds."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from standardwebhooks import Webhook

from tests.faults import hooks, targets
from tests.faults.actor import Actor
from tests.faults.chaos import Chaos, InTurn, Repair
from tests.faults.figures import files
from tests.faults.hooks import Hooks
from tests.faults.person import Answer, Person
from tests.faults.site import Site
from tests.faults.soaking import hyphened, live_uploads, unanswered, unexpected
from tests.receiver import Received, Receiver

SECRET = "whsec_" + "c2VjcmV0" * 4
ID = "6f0a5c0e-9c3e-4c56-8a36-0f3b2f7a2d51"


@dataclass(slots=True)
class Scripted(Person):
    """A user whose requests get these statuses; 0 is no answer."""

    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        self.asked.append(f"{method} {path}")
        status = self.statuses.pop(0)
        if not status:
            raise ConnectionResetError
        return Answer(status, json.dumps({"id": ID, "content_hash": "a" * 64}).encode())


def actor_of(*statuses: int, uploads: Sequence[str] = (), files: Sequence[Path] = ()) -> Actor:
    person = Scripted(name="ada", token="", session="", port=0, statuses=list(statuses))
    person.sent.update(dict.fromkeys(uploads, "a" * 64))
    return Actor(person=person, files=[(path, "accept") for path in files], random=Random(1))


def asked(actor: Actor) -> list[str]:
    return cast("Scripted", actor.person).asked


def settle_all(actor: Actor) -> None:
    while actor.settle():
        pass


@pytest.mark.parametrize("last", [204, 404])
def test_deletion_without_an_answer_is_asked_again_until_it_is_known(last: int) -> None:
    actor = actor_of(0, 503, last, uploads=[ID])
    actor.unknown.append(actor.deletion(ID))
    actor.settle()
    assert actor.live() == []
    assert actor.person.deleted == set()
    settle_all(actor)
    assert asked(actor) == [f"DELETE /api/uploads/{ID}/"] * 3
    assert actor.person.deleted == {ID}


def test_file_without_an_answer_is_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"a picture")
    actor = actor_of(0, 503, 201, files=[path])
    actor.unknown.append(actor._send())
    settle_all(actor)
    assert len(asked(actor)) == 3
    assert actor.live() == [ID]
    assert list(actor.expected.values()) == ["accept"]
    assert files(actor.counts) == {"accepted": 1}


def test_older_database_has_fewer_uploads_and_those_deleted_since() -> None:
    kept, gone, deleted = "kept", "gone", "deleted"
    actor = actor_of(204, uploads=[kept, gone, deleted])
    actor.person.deleted.add(deleted)
    actor.note_restoration({kept, deleted})
    assert set(actor.person.sent) == {kept, deleted}
    settle_all(actor)
    assert actor.live() == [kept]
    assert actor.person.deleted == {deleted}
    assert actor._restore() is None, "its file may be purged"


class Part(targets.Lasting):
    """A part that counts how often it is broken and repaired."""

    faults: Mapping[str, int] = {"broken": 1}

    def __init__(self, name: str, processes: Sequence[str] = ()) -> None:
        self.name, self.processes = name, processes
        self.state = 0
        self.states: set[int] = set()

    def cause(self, fault: str, random: Random) -> Repair:
        self._change(1)
        return lambda: self._change(-1)

    def _change(self, step: int) -> None:
        self.state += step
        self.states.add(self.state)


def test_broken_parts_are_left_alone_and_repaired_at_the_end() -> None:
    one, clock = Part("worker", ["worker"]), Part("clock", ["worker", "web"])
    chaos = Chaos([one, clock], Random(1), pause=(0, 0))
    chaos.run(seconds=0.3)
    # Both affect the worker, so the second never breaks while the first is broken.
    assert sum(chaos.done.values()) == 1
    assert one.states | clock.states == {0, 1}
    assert one.state == clock.state == 0


def test_part_that_ended_by_itself_is_started_again() -> None:
    class Ended(Part):
        def has_ended(self) -> bool:
            return True

    chaos = Chaos([Ended("worker")], Random(1))
    chaos.run(seconds=0.1)
    assert chaos.done == Counter({"worker found ended": 1})


def test_part_is_left_alone_until_it_works_again() -> None:
    class Starting(Part):
        def is_well(self) -> bool:
            return False

    chaos = Chaos([Starting("web")], Random(1))
    chaos.run(seconds=0.1)
    assert not chaos.done


def test_every_fault_is_caused_once_in_turn() -> None:
    parts = [Part("web"), Part("worker"), Part("beat")]
    chaos = InTurn(parts, Random(1), runs=2)
    chaos.run(seconds=0)
    assert list(chaos.done) == ["web broken", "worker broken"]
    chaos.run(seconds=0)
    assert chaos.done == dict.fromkeys(["web broken", "worker broken", "beat broken"], 1)
    assert [(part.state, part.states) for part in parts] == [(0, {0, 1})] * 3


def test_storage_is_cut_off_by_a_link_to_a_file(tmp_path: Path) -> None:
    with targets.local_storage(tmp_path) as (disk, settings):
        path = Path(settings["MEDIA_ROOT"]) / "picture"
        path.write_bytes(b"a picture")
        repair = disk.cause("cut off", Random(1))
        with pytest.raises(NotADirectoryError):
            path.read_bytes()
        repair()
        assert path.read_bytes() == b"a picture"


def test_uploads_must_live_in_proportion_to_the_time() -> None:
    assert [live_uploads(seconds) for seconds in (5, 60, 600, 6000)] == [1, 20, 200, 200]


def test_wrong_outcome_is_found() -> None:
    actor = actor_of()
    actor.expected = {"good": "accept", "bad": "reject", "killer": "accept"}
    failed = [("good", "failed", "unreadable_image"), ("killer", "failed", "processing_failed")]
    outcomes = [*failed, ("bad", "ready", "")]
    assert [text.split()[5] for text in unexpected([actor], outcomes)] == ["good", "bad"]


def test_error_of_the_site_is_found() -> None:
    actor = actor_of()
    actor.counts.update({"send: 503": 3, "look: 500": 2})
    assert unanswered([actor]) == ["look was answered 500, 2 times"]


def test_ids_are_written_alike() -> None:
    assert hyphened(ID.replace("-", "")) == hyphened(ID) == ID


class Rows:
    """The answers of a site's database."""

    def __init__(self, *, untold: Sequence[Any] = (), deliveries: Sequence[Any] = ()) -> None:
        self._rows = {hooks.UNTOLD: list(untold), hooks.DELIVERIES: list(deliveries)}

    def rows(self, query: str) -> list[Any]:
        return self._rows[query]


def received(identifier: str = ID, *, text: str = "upload.ready", secret: str = SECRET) -> Received:
    # Long ago, so that only a check that ignores the clocks accepts it.
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    body = json.dumps({"type": text})
    headers = {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, moment, body),
    }
    return Received("/hook/ada", headers, body.encode())


def found(site: Rows, *requests: Received, change: Callable[[Hooks], object] = lambda _: None) -> list[str]:
    checked = Hooks(Receiver(list(requests)), {"/hook/ada": SECRET})
    change(checked)
    return [violation.split()[-1] for violation in checked.violations(cast("Site", site))]


DELIVERED = Rows(deliveries=[(ID.replace("-", ""), "upload.ready")])
OTHER = str(uuid.UUID(int=1))


def test_each_event_arrived_signed_under_one_id() -> None:
    assert found(DELIVERED, received(), received()) == []


def test_broken_webhooks_are_found() -> None:
    assert found(DELIVERED) == ["arrive"]
    assert found(DELIVERED, received(secret="whsec_" + "b3RoZXI=")) == ["signature"]
    assert found(Rows(untold=[(7, "upload.failed")])) == ["webhook"]
    assert found(DELIVERED, received(), received(text="upload.failed"))[0] == "bodies"
    both = Rows(deliveries=[(ID, "upload.ready"), (OTHER, "upload.ready")])
    assert len(found(both, received(), received(OTHER))) == 1
    assert found(Rows(), received()) == ["event"]


def test_events_from_before_a_restoration_may_be_unknown() -> None:
    assert found(Rows(), received(), change=Hooks.note_restoration) == []
