"""Redis servers for the tests: one that speaks TLS, and a pair behind an address that moves."""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import RedisError

from deploy.embedded_redis import server_path
from deploy.ports import HOST, any_free_port
from tests.system import wait_until

# It has every character that an address has to encode.
PASSWORD = "p@ss:/?#[]%;, wörd"
USER = "dark:room"
DATABASE = 3
# The beginning of the keys that this user may use. All channels are open: Celery subscribes to patterns,
# which Redis would compare with those of the user letter by letter.
PREFIX = "one:"
# A node of a cluster listens on a second port, which is 10000 higher.
_HIGHEST_PORT = 55535
_KEPT_NOWHERE = ("--save", "", "--appendonly", "no", "--loglevel", "warning", "--bind", HOST)


def tls_program() -> str | None:
    """Return a `redis-server` that was built with TLS, as Debian's is and the packaged one is not."""
    for folder in (*os.get_exec_path(), "/usr/bin"):
        path = Path(folder, "redis-server")
        if path.is_file() and b"tls-ca-cert-file" in path.read_bytes():
            return str(path)
    return None


@contextmanager
def _serving(command: tuple[str, ...], client: Redis) -> Iterator[None]:
    """Run a server until the end, and begin when it answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process, client:
        try:
            wait_until(lambda: _answers(client) or process.poll() is not None, seconds=30)
            assert process.poll() is None
            yield
        finally:
            process.kill()


def _answers(client: Redis) -> bool:
    with contextlib.suppress(RedisError, OSError):
        return bool(client.ping())
    return False


@contextmanager
def plain_redis(folder: Path, *, mode: str = "standalone") -> Iterator[int]:
    """Run a server in this mode (standalone, cluster or sentinel), and yield its port."""
    port = next(port for port in iter(any_free_port, None) if port <= _HIGHEST_PORT)
    command: tuple[str, ...] = (server_path(), *_KEPT_NOWHERE, "--dir", str(folder), "--port", str(port))
    if mode == "cluster":
        command = (*command, "--cluster-enabled", "yes")
    if mode == "sentinel":
        # Sentinel writes into its file.
        own = folder / "sentinel.conf"
        own.write_text(f"port {port}\nbind {HOST}\ndir {folder}\nloglevel warning\n")
        command = (server_path(), str(own), "--sentinel")
    with _serving(command, Redis(port=port, socket_timeout=5)):
        yield port


@dataclass(frozen=True)
class TLSRedis:
    """A server that speaks TLS with a certificate for 127.0.0.1, and knows one user with a password."""

    port: int
    ca_file: Path

    @property
    def url(self) -> str:
        return self.url_of()

    def url_of(
        self, *, user: str = USER, password: str = PASSWORD, host: str = HOST, database: int = DATABASE
    ) -> str:
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"rediss://{login}@{host}:{self.port}/{database}"

    @property
    def settings(self) -> dict[str, str]:
        """Return the variables of a site that uses this server."""
        return {"REDIS_URL": self.url, "REDIS_CA_FILE": str(self.ca_file), "REDIS_KEY_PREFIX": PREFIX}

    @classmethod
    @contextmanager
    def running(cls, program: str, folder: Path) -> Iterator[Self]:
        server = cls(port=any_free_port(), ca_file=folder / "ca.pem")
        write_certificates(folder)
        digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
        (folder / "users").write_text(f"user default off\nuser {USER} on #{digest} ~{PREFIX}* &* +@all\n")
        command = (
            *(program, *_KEPT_NOWHERE, "--dir", str(folder), "--aclfile", str(folder / "users")),
            *("--port", "0", "--tls-port", str(server.port), "--tls-auth-clients", "no"),
            *("--tls-ca-cert-file", str(server.ca_file)),
            *("--tls-cert-file", str(folder / "server.pem"), "--tls-key-file", str(folder / "server.key")),
        )
        with _serving(command, server.client()):
            yield server

    def client(self) -> Redis:
        return Redis.from_url(self.url, ssl_ca_certs=str(self.ca_file), socket_timeout=5)


def write_certificates(folder: Path) -> None:
    """Write the certificate of an authority, and a certificate of a server that it has signed."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)

    def certificate(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(issuer)
            .subject_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    own = certificate(issuer, authority.public_key())
    own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
    server = certificate(subject, key.public_key()).add_extension(names, critical=False)
    for name, builder in (("ca.pem", own), ("server.pem", server)):
        signed = builder.sign(authority, hashes.SHA256())
        (folder / name).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class Pair:
    """A primary and its replica. `url` leads to the primary: it is a link to the socket of one of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {"first": any_free_port(), "second": any_free_port()}
        self._lead_to("first")

    @property
    def url(self) -> str:
        return f"unix://{self._folder / 'redis.sock'}"

    @contextmanager
    def running(self) -> Iterator[Self]:
        replica = ("--replicaof", HOST, str(self._ports["first"]))
        with (
            _serving(self._command("first"), self.client("first")),
            _serving(self._command("second", *replica), self.client("second")),
        ):
            self._wait_until_linked("second")
            yield self

    def fail_over(self) -> None:
        """Let both swap their roles. Open connections still lead to the old primary, which still answers."""
        with self.client("first") as first, self.client("second") as second:
            first.wait(1, 4000)
            second.replicaof("NO", "ONE")
            self._lead_to("second")
            first.replicaof(HOST, self._ports["second"])
        self._wait_until_linked("first")

    def client(self, name: str) -> Redis:
        return Redis(unix_socket_path=str(self._folder / f"{name}.sock"), socket_timeout=5)

    def _wait_until_linked(self, replica: str) -> None:
        with self.client(replica) as client:
            wait_until(lambda: client.info("replication")["master_link_status"] == "up", seconds=30)

    def _lead_to(self, name: str) -> None:
        link = self._folder / "link"
        link.symlink_to(f"{name}.sock")
        link.replace(self._folder / "redis.sock")

    def _command(self, name: str, *options: str) -> tuple[str, ...]:
        folder = self._folder / name
        folder.mkdir()
        return (
            *(server_path(), *_KEPT_NOWHERE, "--dir", str(folder), "--port", str(self._ports[name])),
            *("--unixsocket", str(self._folder / f"{name}.sock"), "--unixsocketperm", "700"),
            *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", *options),
        )
