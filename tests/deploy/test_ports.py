"""deploy.ports: one system for each clone, one listener for each port."""

import socket
from pathlib import Path

import pytest

from deploy.errors import CannotStart
from deploy.ports import HOST, any_free_port, claimed_clone, free_port, read_port, require_free


def test_second_claim_of_a_clone_reports_the_running_url(tmp_path: Path) -> None:
    lock_path = tmp_path / "run.lock"
    with (
        claimed_clone(lock_path=lock_path, address="http://127.0.0.1:8123"),
        pytest.raises(CannotStart, match=r"is already running from this folder: http://127\.0\.0\.1:8123"),
        claimed_clone(lock_path=lock_path, address="http://127.0.0.1:9"),
    ):
        pytest.fail("claimed twice")


def test_clone_can_be_claimed_again_after_release(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed_clone(lock_path=tmp_path / "run.lock", address="http://127.0.0.1:8123"):
            pass


def test_error_for_a_used_port_says_what_to_do() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"Another program uses port {port}\..*PORT=\d+ make run"):
            require_free(port)


def test_another_port_is_chosen_if_the_preferred_one_is_used() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        assert free_port(taken) != taken


def test_port_above_65535_becomes_any_free_port() -> None:
    assert 0 < free_port(70_000) <= 65535
    assert 0 < any_free_port() <= 65535


@pytest.mark.parametrize("text", ["", "web", "0", "65536", "-1", "80.5"])
def test_invalid_port_is_refused(text: str) -> None:
    with pytest.raises(CannotStart, match="PORT must be a number"):
        read_port(text, name="PORT")


def test_port_is_parsed() -> None:
    assert read_port("9000", name="PORT") == 9000
