"""Use Redis for each purpose, in a process with the settings of its environment.

It prints a line of JSON with what this site sees, uses everything, and prints such a line again.
"""

import asyncio
import json
import sys
from typing import Any

from celery import current_app
from celery.result import AsyncResult
from django.core.cache import cache
from flower.utils.broker import Broker
from redis import Redis

from processing.conf import darkroom
from uploads import broker
from uploads.events import wakeups
from uploads.monitoring import readiness
from uploads.receiving import rate_limits
from uploads.redis.connections import pool

TASK, WHO, OWNER = "a-result", "person:1", 7
(RATE,) = rate_limits.rates("1/hour")


def seen() -> dict[str, Any]:
    """Return what is stored for this site. It fails if the check of Redis by `/readyz` fails."""
    readiness._ask_redis()
    return {
        "cache": cache.get("key"),
        "may send": rate_limits._counts()._limiter.test(RATE, WHO),
        "queued": broker.queue_depths()["bulk"],
        "queued, in Flower": queued_in_flower(),
        "result": AsyncResult[Any](TASK).state,
    }


def queued_in_flower() -> int:
    """Return the depth of a queue, as Flower asks for it."""
    with current_app.connection() as connection:
        address = connection.as_uri(include_password=True)
    flower = Broker(
        address,
        broker_options=current_app.conf.broker_transport_options,
        broker_use_ssl=current_app.conf.broker_use_ssl,
    )
    ((queue),) = asyncio.run(flower.queues(["bulk"]))
    return int(queue["messages"])


def use() -> dict[str, Any]:
    """Use Redis for each purpose, and return which wake-up was heard."""
    cache.set("key", "value")
    rate_limits._counts().wait(RATE, WHO, 1)
    current_app.send_task("nothing", queue="bulk")
    current_app.backend.store_result(TASK, 5, "SUCCESS")
    url = darkroom().redis_url
    with pool(url, seconds=5) as connections, Redis(connection_pool=connections).pubsub() as channel:  # type: ignore[no-untyped-call]
        channel.subscribe(wakeups.channel(url))
        channel.get_message(timeout=5)
        wakeups.tell(OWNER)
        message = channel.get_message(timeout=5) or {}
    return {"woken": int(message.get("data", 0))}


def main() -> None:
    before = seen()
    woken = use()
    sys.stdout.write(f"{json.dumps(before)}\n{json.dumps(seen() | woken)}\n")


if __name__ == "__main__":
    main()
