"""ClamAV: what clamd answers, and what it does not answer."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.ports import HOST, any_free_port
from processing.steps import Postponed
from tests.clamd import EICAR, Clamd, clamd_on_tcp, clamd_on_unix
from tests.conftest import MakeImage, Send
from tests.uploads.hooks.conftest import Configure
from uploads.hooks import Candidate, Refused, TryLater
from uploads.hooks.clamav import ClamAV
from uploads.hooks.verdicts import RefusedByHook
from uploads.testing import render

HOOK = "uploads.hooks.clamav.ClamAV"


@pytest.fixture(params=["unix", "tcp"])
def clamd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Clamd]:
    with clamd_on_tcp() if request.param == "tcp" else clamd_on_unix(tmp_path) as clamd:
        yield clamd


@pytest.fixture
def tcp() -> Iterator[Clamd]:
    with clamd_on_tcp() as clamd:
        yield clamd


def candidate(data: bytes) -> Candidate:
    return Candidate(
        content_hash="ab" * 32, format="jpeg", width=1, height=1, byte_size=len(data), file=io.BytesIO(data)
    )


def in_trailer(make_image: MakeImage) -> bytes:
    return make_image() + EICAR


def in_metadata(make_image: MakeImage) -> bytes:
    return make_image(comment=EICAR)


def test_clean_bytes_pass(clamd: Clamd) -> None:
    data = bytes(range(256)) * 1000
    ClamAV(address=clamd.address)(candidate(data))
    assert clamd.scanned == [data]


def test_malware_is_refused_with_its_name(clamd: Clamd) -> None:
    with pytest.raises(Refused, match=r"^The file contains malware \(Eicar-Test-Signature\)\.$"):
        ClamAV(address=clamd.address)(candidate(b"x" * 99_999 + EICAR))


@pytest.mark.parametrize(
    "answer", ["stream: Can't allocate memory ERROR", "UNKNOWN COMMAND", "stream: OK ERROR", ""]
)
def test_other_answer_is_tried_later(answer: str, tcp: Clamd) -> None:
    tcp.answer = answer
    with pytest.raises(TryLater):
        ClamAV(address=tcp.address)(candidate(b"bytes"))


def test_answer_without_an_end_is_tried_later(tcp: Clamd) -> None:
    tcp.answer = "stream: " + "x" * 20_000
    with pytest.raises(TryLater):
        ClamAV(address=tcp.address)(candidate(b"bytes"))


def test_too_large_stream_is_refused(clamd: Clamd) -> None:
    clamd.limit = 100_000
    with pytest.raises(Refused, match="too large to be checked"):
        ClamAV(address=clamd.address)(candidate(bytes(9_000_000)))


def test_too_large_stream_can_pass(clamd: Clamd, caplog: pytest.LogCaptureFixture) -> None:
    clamd.limit = 100_000
    ClamAV(address=clamd.address, too_large="pass")(candidate(bytes(9_000_000)))
    assert "larger than clamd's StreamMaxLength" in caplog.text


def test_frozen_clamd_is_tried_later(clamd: Clamd) -> None:
    clamd.frozen.set()
    with pytest.raises(TryLater, match="timed out"):
        ClamAV(address=clamd.address, timeout=0.05)(candidate(bytes(20_000_000)))


@pytest.mark.parametrize(
    "address", [f"tcp://{HOST}:{any_free_port()}", "unix:///nowhere/clamd.ctl"], ids=["tcp", "unix"]
)
def test_missing_clamd_is_tried_later(address: str) -> None:
    with pytest.raises(TryLater, match=re.escape(f"clamd at {address} is unavailable")):
        ClamAV(address=address)(candidate(b"bytes"))


@pytest.mark.parametrize(
    "options",
    [
        {"address": "127.0.0.1:3310"},
        {"address": "http://127.0.0.1:3310"},
        {"address": "unix://clamd.ctl"},
        {"address": "tcp://127.0.0.1:port"},
        {"too_large": "maybe"},
    ],
)
def test_invalid_option_is_named(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"clamd|port|Port|'maybe'"):
        ClamAV(**options)  # type: ignore[arg-type]


@pytest.mark.django_db
class TestUpload:
    """An image that contains malware is valid, and still never shown."""

    @pytest.mark.parametrize("infected", [in_trailer, in_metadata])
    def test_infected_image_is_refused(
        self,
        infected: Callable[[MakeImage], bytes],
        send: Send,
        make_image: MakeImage,
        configure: Configure,
        clamd: Clamd,
    ) -> None:
        configure({"NAME": HOOK, "OPTIONS": {"address": clamd.address}})
        upload = send(infected(make_image))
        with pytest.raises(RefusedByHook, match="malware"):
            render(upload)
        upload.refresh_from_db()
        assert (upload.status, upload.shown_renditions()) == ("failed", [])

    def test_clean_image_is_ready(self, send: Send, configure: Configure, clamd: Clamd) -> None:
        configure({"NAME": HOOK, "OPTIONS": {"address": clamd.address}})
        assert render(send()).status == "ready"
        assert len(clamd.scanned) == 1

    def test_image_waits_for_clamd(self, send: Send, configure: Configure) -> None:
        configure({"NAME": HOOK, "OPTIONS": {"address": "unix:///nowhere/clamd.ctl"}})
        with pytest.raises(Postponed, match=r"clamd at unix:///nowhere/clamd\.ctl is unavailable"):
            render(send())
