"""One address serves all uses of Redis, over TLS too, and sites with different prefixes do not meet."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from myproject import startup
from tests.faults.site import RUN_MODULE
from tests.processing.processes import ROOT, environment
from tests.redis_server import PREFIX, TLSRedis, plain_redis
from tests.redis_uses import OWNER
from uploads.redis import misconfiguration

pytestmark = pytest.mark.slow

UNUSED = {
    "cache": None,
    "may send": True,
    "queued": 0,
    "queued, in Flower": 0,
    "result": "PENDING",
}
USED = {
    "cache": "value",
    "may send": False,
    "queued": 1,
    "queued, in Flower": 1,
    "result": "SUCCESS",
    "woken": OWNER,
}


def seen_by(**variables: str) -> list[dict[str, Any]]:
    """Return what a site with these variables sees, before and after it uses everything."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN_MODULE.format(name="tests.redis_uses")],
        cwd=ROOT,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_two_sites_share_a_redis(redis_client: Redis) -> None:
    assert seen_by(REDIS_KEY_PREFIX="one:") == [UNUSED, USED]
    assert seen_by(REDIS_KEY_PREFIX="two:") == [UNUSED, USED]
    keys = {bytes(key).decode() for key in redis_client.scan_iter()}
    assert {key.partition(":")[0] for key in keys} == {"one", "two"}
    assert {key.removeprefix("one:") for key in keys if key.startswith("one:")} == {
        key.removeprefix("two:") for key in keys if key.startswith("two:")
    }


def test_one_tls_address_serves_all_uses(tls_redis: TLSRedis) -> None:
    # The server's user may use no key without the prefix.
    assert seen_by(**tls_redis.settings) == [UNUSED, USED]
    with tls_redis.client() as client:
        keys = {bytes(key).decode() for key in client.scan_iter()}
    assert len(keys) >= 5
    assert all(key.startswith(PREFIX) for key in keys)


def test_server_that_refuses_for_good_is_named(tls_redis: TLSRedis, settings: Any) -> None:
    def sentence(url: str) -> str:
        return misconfiguration.sentence_on("REDIS_URL", url)

    assert sentence(tls_redis.url).startswith(
        "REDIS_URL: the server's certificate is not valid for this address"
    )
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_CA_FILE": str(tls_redis.ca_file)}
    assert sentence(tls_redis.url) == ""
    wrong = tls_redis.url_of(password="wrong")
    assert sentence(wrong) == "REDIS_URL: the server refuses the user or the password."
    assert "has no database number 99" in sentence(tls_redis.url_of(database=99))
    # The certificate is valid for 127.0.0.1 only.
    assert "certificate is not valid for this address" in sentence(tls_redis.url_of(host="localhost"))


def test_wrong_password_ends_the_process_and_is_named_once(tls_redis: TLSRedis, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_CA_FILE": str(tls_redis.ca_file)}
    wrong = tls_redis.url_of(password="wrong")
    settings.REDIS_URL = settings.CELERY_BROKER_URL = settings.CELERY_RESULT_BACKEND = wrong
    with pytest.raises(SystemExit) as ended:
        startup.refuse_wrong_redis()
    assert ended.value.code == "REDIS_URL: the server refuses the user or the password."


@pytest.mark.parametrize("mode", ["cluster", "sentinel"])
def test_plain_address_of_a_cluster_or_sentinel_is_named(mode: str, tmp_path: Path) -> None:
    with plain_redis(tmp_path, mode=mode) as port:
        for database in ("0", "3"):
            text = misconfiguration.sentence_on("REDIS_URL", f"redis://127.0.0.1:{port}/{database}")
            assert text.startswith(f"REDIS_URL leads to Redis {mode.capitalize()}.")


def test_unavailable_server_is_tolerated(tmp_path: Path) -> None:
    assert misconfiguration.sentence_on("REDIS_URL", f"unix://{tmp_path}/none.sock") == ""
    assert misconfiguration.sentence_on("REDIS_URL", "redis://127.0.0.1:1/0") == ""
