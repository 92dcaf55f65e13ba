"""deploy.embedded_redis: a real Redis on a socket."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from redis import Redis

from deploy import embedded_redis
from deploy.errors import CannotStart


def test_redis_listens_only_on_its_socket_and_stores_nothing(tmp_path: Path) -> None:
    socket_path = tmp_path / "redis.sock"
    url = f"unix://{socket_path}"
    command = embedded_redis.server_command(socket_path=socket_path, folder=tmp_path)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            asyncio.run(embedded_redis.wait_until_it_answers(url=url, seconds=10))
            with Redis.from_url(url) as client:
                assert client.config_get("port")["port"] == "0"
                client.set("a", "b")
        finally:
            server.terminate()
    assert list(tmp_path.iterdir()) == []
    assert socket_path.exists() is False


def test_unresponsive_redis_is_reported(tmp_path: Path) -> None:
    url = f"unix://{tmp_path / 'nobody.sock'}"
    with pytest.raises(CannotStart, match=r"nobody\.sock did not answer within 0\.1 s"):
        asyncio.run(embedded_redis.wait_until_it_answers(url=url, seconds=0.1))


def test_missing_redis_server_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded_redis, "PACKAGED_SERVER", tmp_path / "redis-server")
    with pytest.raises(CannotStart, match="Install Redis"):
        embedded_redis.server_path()
