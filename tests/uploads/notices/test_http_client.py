"""Outgoing requests: limited in time and size, and never into the private network."""

import datetime
import gzip
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.ports import any_free_port
from tests.receiver import Receiver, receiving
from uploads.notices import http_client
from uploads.notices.http_client import Answer, NoAnswer


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the time limit to half a second."""
    monkeypatch.setattr(http_client, "TIME_LIMIT", 0.5)


def send(url: str, *, private_allowed: bool = True) -> Answer:
    headers = {"Content-Type": "application/json", "webhook-id": "1"}
    return http_client.post(url=url, headers=headers, body=b'{"a":1}', private_allowed=private_allowed)


def name_is(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Resolve every name to these addresses, and record the resolved names."""
    asked: list[str] = []

    def look_up(host: str, _port: int) -> list[str]:
        asked.append(host)
        return list(addresses)

    monkeypatch.setattr(http_client, "look_up", look_up)
    return asked


def port_of(receiver: Receiver) -> int:
    return int(receiver.url.rsplit(":", 1)[1].partition("/")[0])


def test_request_has_the_expected_path_headers_and_body(receiver: Receiver) -> None:
    answer = send(f"{receiver.url}?key=1")
    assert answer == Answer(200, "", 0)
    (request,) = receiver.requests
    assert (request.path, request.body) == ("/hook?key=1", b'{"a":1}')
    assert request.headers["host"] == f"127.0.0.1:{port_of(receiver)}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Darkroom"


def test_error_excerpt_is_the_beginning_on_one_line(receiver: Receiver) -> None:
    receiver.status, receiver.body = 500, b"Traceback\r\n\x00 \xff " + b"x" * 10_000
    answer = send(receiver.url)
    assert answer.status == 500
    assert answer.excerpt == "Traceback " + "x" * 290


def test_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": f"{receiver.url}/other"}
    assert send(receiver.url).status == 302
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120), ("-1", 0), ("soon", 0), ("9" * 5000, 0), ("", 0)]
)
def test_retry_after_in_seconds_is_parsed(receiver: Receiver, header: str, seconds: float) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": header}
    assert send(receiver.url).retry_after == seconds


def test_retry_after_as_a_date_is_parsed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime(2026, 5, 4, 12, 0, tzinfo=datetime.UTC).timestamp()
    monkeypatch.setattr(urllib3.util.retry, "time", SimpleNamespace(time=lambda: now))
    receiver.status, receiver.headers = 429, {"Retry-After": "Mon, 04 May 2026 12:10:00 GMT"}
    assert send(receiver.url).retry_after == 600


def test_refused_connection_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="Connection refused"):
        send(f"http://127.0.0.1:{any_free_port()}/")


def test_closed_connection_is_no_answer(receiver: Receiver) -> None:
    receiver.instead = lambda connection: connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(NoAnswer):
        send(receiver.url)
    assert len(receiver.requests) == 1


def test_response_that_is_not_http_is_no_answer(receiver: Receiver) -> None:
    receiver.instead = lambda connection: connection.sendall(b"220 \x00 mail.example" + b"x" * 999 + b"\r\n")
    with pytest.raises(NoAnswer, match=r"^220 mail.examplex*$") as caught:
        send(receiver.url)
    assert len(str(caught.value)) == 300


def silent(connection: socket.socket) -> None:
    time.sleep(3)


def drip(connection: socket.socket, data: bytes = b"X-More: yes\r\n") -> None:
    """Send a few bytes every tenth of a second, so that no single read takes long."""
    for _ in range(100):
        connection.sendall(data)
        time.sleep(0.1)


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    drip(connection)


def drip_continue(connection: socket.socket) -> None:
    drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("way", [silent, drip_headers, drip_continue])
def test_endless_response_ends_at_the_time_limit(receiver: Receiver, way: object) -> None:
    receiver.instead = way  # type: ignore[assignment]
    with pytest.raises(NoAnswer, match=r"did not answer within 0\.5 seconds"):
        send(receiver.url)


@pytest.mark.usefixtures("hasty")
def test_endless_body_is_not_read_completely(receiver: Receiver) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n")
        drip(connection, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")

    receiver.instead = flood
    assert send(receiver.url).status == 500


@pytest.mark.usefixtures("hasty")
def test_endless_headers_are_abandoned(receiver: Receiver) -> None:
    ended = Event()

    def flood(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            drip(connection, b"X-More: yes\r\n" * 100)
            ended.set()

    receiver.instead = flood
    with pytest.raises(NoAnswer):
        send(receiver.url)
    assert not ended.is_set()


def test_compressed_body_is_not_decompressed(receiver: Receiver) -> None:
    """A kilobyte can decompress to a gigabyte, so the body is never decompressed."""
    receiver.status, receiver.headers = 500, {"Content-Encoding": "gzip"}
    receiver.body = gzip.compress(b"x" * 10_000_000)
    assert "xxx" not in send(receiver.url).excerpt


@pytest.mark.usefixtures("hasty")
def test_body_of_a_success_is_not_read(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object, **__: object) -> bytes:
        raise AssertionError("the body was read")

    monkeypatch.setattr(urllib3.response.HTTPResponse, "read", read)
    answered = Event()

    def promise(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        answered.wait(60)

    receiver.instead = promise
    assert send(receiver.url).status == 200
    answered.set()


@pytest.mark.usefixtures("hasty")
def test_slow_resolver_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = Event()

    def slow(_host: str, _port: int) -> list[str]:
        given_up.wait(60)
        return []

    monkeypatch.setattr(http_client, "look_up", slow)
    with pytest.raises(NoAnswer, match="did not answer within"):
        send("http://example.com/")
    given_up.set()


def test_unknown_host_is_no_answer() -> None:
    with pytest.raises(NoAnswer):
        send("http://nothing.invalid/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0x7f.0.0.1",
        "017700000001", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
    ],
)  # fmt: skip
def test_own_machine_is_refused(receiver: Receiver, host: str) -> None:
    with pytest.raises(NoAnswer, match="not on the public internet"):
        send(f"http://{host}:{port_of(receiver)}/", private_allowed=False)
    assert receiver.requests == []


def test_host_name_of_the_own_machine_is_refused(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    name_is(monkeypatch, "127.0.0.1", "::1", "169.254.169.254")
    with pytest.raises(NoAnswer, match=r"hook\.example is not on the public internet"):
        send(f"http://hook.example:{port_of(receiver)}/", private_allowed=False)
    assert receiver.requests == []


def test_host_is_resolved_once_and_the_checked_address_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a name that has another address a moment later does not change the connection."""
    asked = name_is(monkeypatch, "203.0.113.7", "127.0.0.1")
    monkeypatch.setattr(http_client, "is_public", lambda address: address == "127.0.0.1")
    assert send(f"http://hook.example:{port_of(receiver)}/", private_allowed=False).status == 200
    assert asked == ["hook.example"]
    assert receiver.requests[0].headers["host"] == f"hook.example:{port_of(receiver)}"


def test_next_address_is_tried_after_a_failure(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    name_is(monkeypatch, "127.0.0.2", "127.0.0.1")
    assert send(f"http://hook.example:{port_of(receiver)}/").status == 200


def make_certificate(folder: Path, *names: x509.GeneralName) -> Path:
    """Write a self-signed certificate for these names, and return its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return file


class TestTLS:
    @pytest.fixture
    def secure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
        """Serve as hook.example with a trusted certificate."""
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.9"))
        file = make_certificate(tmp_path, x509.DNSName("hook.example"), loopback)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        name_is(monkeypatch, "127.0.0.1")
        with receiving(tls=context) as receiver:
            yield receiver

    def test_certificate_of_the_host_name_is_accepted(self, secure: Receiver) -> None:
        assert send(f"https://hook.example:{port_of(secure)}/").status == 200
        assert secure.requests[0].headers["host"] == f"hook.example:{port_of(secure)}"

    def test_certificate_of_another_host_is_refused(self, secure: Receiver) -> None:
        with pytest.raises(NoAnswer, match=r"(?i)certificate"):
            send(f"https://other.example:{port_of(secure)}/")
        assert secure.requests == []

    def test_untrusted_certificate_is_refused(
        self, secure: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(NoAnswer, match=r"(?i)certificate"):
            send(f"https://hook.example:{port_of(secure)}/")

    def test_certificate_of_an_ip_address_is_accepted(self, secure: Receiver) -> None:
        assert send(f"https://127.0.0.9:{port_of(secure)}/").status == 200

    @pytest.mark.usefixtures("hasty")
    def test_endless_response_over_tls_ends_at_the_time_limit(self, secure: Receiver) -> None:
        secure.instead = drip_headers
        with pytest.raises(NoAnswer, match="did not answer within"):
            send(f"https://hook.example:{port_of(secure)}/")
