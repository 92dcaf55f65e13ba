"""Webhooks of a site's users, and the check that a receiver got each event, signed, under one id."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standardwebhooks import Webhook

from tests.faults.person import Person
from tests.faults.site import Site
from tests.receiver import Received, Receiver

WAITING = "SELECT count(*) FROM uploads_delivery WHERE channel = 'webhook' AND delivered_at IS NULL"
DELIVERIES = """
    SELECT cast(uploads_delivery.id AS text), uploads_event.name FROM uploads_delivery
    JOIN uploads_event ON uploads_event.id = uploads_delivery.event_id
    WHERE uploads_delivery.channel = 'webhook'
"""
# Events of an upload whose owner has a webhook that does not get them.
UNTOLD = """
    SELECT uploads_event.id, uploads_event.name FROM uploads_event
    JOIN uploads_endpoint ON uploads_endpoint.owner_id = uploads_event.owner_id
    WHERE uploads_event.name LIKE 'upload.%' AND NOT EXISTS (
        SELECT 1 FROM uploads_delivery WHERE uploads_delivery.event_id = uploads_event.id
        AND uploads_delivery.endpoint_id = uploads_endpoint.id
    )
"""


def subscribe(person: Person, url: str) -> str:
    """Register an endpoint for a user, and return its secret."""
    body = json.dumps({"url": url}).encode()
    answer = person.request("POST", "/api/webhooks/", body, {"Content-Type": "application/json"})
    assert answer.status == 201, answer.body
    return str(answer.json()["secrets"][0]["secret"])


@dataclass
class Hooks:
    """Endpoints at one receiver, which exist since before their owners' first uploads."""

    receiver: Receiver
    # The secret of each endpoint by its path.
    _secrets: dict[str, str] = field(default_factory=dict)
    # The requests that came before an older database was restored: it may not know their events.
    _before: int = 0

    def add(self, person: Person) -> None:
        """Register an endpoint for a user who has no upload."""
        url = f"{self.receiver.url}/{person.name}"
        self._secrets[f"/hook/{person.name}"] = subscribe(person, url)

    def note_restoration(self) -> None:
        """Record that the database of the site is now an older one."""
        self._before = len(self.receiver.requests)

    def violations(self, site: Site) -> Iterator[str]:
        """Yield a sentence for each event that did not arrive as promised. Nothing must be waiting."""
        for number, name in site.rows(UNTOLD):
            yield f"event {number} ({name}) has no webhook"
        requests = list(self.receiver.requests)
        yield from self._broken(requests)
        sent = {plain(delivery): name for delivery, name in site.rows(DELIVERIES)}
        received = {plain(request.id): request.body for request in requests}
        for delivery, name in sent.items():
            if delivery not in received:
                yield f"webhook {delivery} ({name}) did not arrive"
            elif json.loads(received[delivery])["type"] != name:
                yield f"webhook {delivery} ({name}) arrived as {received[delivery]!r}"
        later = {plain(request.id) for request in requests[self._before :]}
        earlier = {plain(request.id) for request in requests[: self._before]}
        yield from (f"webhook {one} belongs to no event" for one in later - sent.keys() - earlier)

    def _broken(self, requests: list[Received]) -> Iterator[str]:
        """Yield the requests with a wrong signature, with other bytes or with another id than before."""
        bodies, ids = defaultdict(set), defaultdict(set)
        for request in requests:
            bodies[request.id].add(request.body)
            ids[request.path, request.body].add(request.id)
            if not is_signed(request, self._secrets[request.path]):
                yield f"webhook {request.id} has a wrong signature"
        yield from (f"webhook {one} has several bodies" for one, found in bodies.items() if len(found) > 1)
        for (_path, body), found in ids.items():
            if len(found) > 1:
                yield f"the event {body!r} has several ids: {sorted(found)}"


def is_signed(request: Received, secret: str) -> bool:
    """Return whether a signature is right, whatever the clocks say about its age."""
    moment = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), tz=UTC)
    signature = Webhook(secret).sign(request.id, moment, request.body.decode())
    return signature in request.headers["webhook-signature"].split()


def plain(identifier: str) -> str:
    """Return an id without hyphens, as SQLite stores it."""
    return identifier.replace("-", "")
