"""The address of Redis, as one person writes it and as each client spells it.

redis-py, kombu and Celery read different parts of an address: a database number or an option that one of them
takes is ignored or refused by another. So only what all of them understand is accepted.
"""

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

# kombu's and Celery's word for a Unix socket.
_KOMBU_SOCKET = "redis+socket"
_SCHEMES = ("redis", "rediss", "unix", _KOMBU_SOCKET)
_PORT = 6379
# The parameters that name the database of a Unix socket: redis-py's and kombu's.
_DATABASE = {"db", "virtual_host"}
_VERIFIED = {"required", "CERT_REQUIRED"}

_FORM = "rediss://user:password@host:6379/0"
_ONE_SERVER = (
    "Darkroom needs one address that always leads to the primary, such as that of a proxy (HAProxy, Envoy), "
    f"or a DNS name: {_FORM}."
)
_ENCODE = (
    "cannot be read. In the user and the password, write %2F for /, %3F for ?, %23 for #, %40 for @, "
    f"%5B for [, %25 for %. The form is {_FORM}."
)
# Messages do not repeat the parameter, which may be the rest of a password.
_NO_PARAMETERS = (
    "has a parameter that Darkroom does not read. Remove the ? and all after it (in a password, write %3F)."
)
_NO_TLS_PARAMETERS = (
    "has a parameter for TLS. Remove the ? and all after it: certificates of rediss:// are always verified. "
    "REDIS_CA_FILE names the certificates of a private authority."
)


class InvalidAddress(ValueError):
    """Not every client could use the address. The message continues a sentence that names the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The parts of an address. Only a Unix socket has a path; only the others have a host and a port."""

    scheme: str
    host: str = ""
    port: int = _PORT
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0

    @property
    def url(self) -> str:
        """Return the address for redis-py, Django's cache and limits."""
        if self.scheme == "unix":
            return f"unix://{self._login}{_quoted(self.path)}{self._parameter('db')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{self._login}{host}:{self.port}/{self.database}"

    @property
    def kombu_url(self) -> str:
        """Return the address for kombu, Celery and Flower."""
        if self.scheme == "unix":
            return f"{_KOMBU_SOCKET}://{self._login}{_quoted(self.path)}{self._parameter('virtual_host')}"
        return self.url

    @property
    def _login(self) -> str:
        if not (self.user or self.password):
            return ""
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"

    def _parameter(self, name: str) -> str:
        return f"?{name}={self.database}" if self.database else ""


def parse(text: str) -> Address:
    """Return the parts of an address.

    Raises `InvalidAddress`.
    """
    scheme = _scheme(text)
    _refuse_several_servers(scheme, text)
    if scheme not in _SCHEMES:
        raise InvalidAddress("must begin with redis://, rediss:// or unix://.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidAddress(_ENCODE) from None
    if parts.fragment:
        raise InvalidAddress(_ENCODE)
    login = {"user": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    if scheme in {"unix", _KOMBU_SOCKET}:
        return _socket(parts, **login)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        _check_parameter(name, value)
    host = parts.hostname or "localhost"
    database = _database(unquote(parts.path).strip("/"))
    return Address(scheme=scheme, host=host, port=port or _PORT, database=database, **login)


def is_redis(text: str) -> bool:
    """Return whether a text is meant as an address of Redis, valid or not."""
    scheme = _scheme(text)
    return scheme == "unix" or any(word in scheme for word in ("redis", "sentinel", "cluster"))


def spelled(text: str, *, for_kombu: bool = False) -> str:
    """Return an address of Redis as clients spell it; a text that a system check refuses stays as it is."""
    try:
        address = parse(text)
    except InvalidAddress:
        return text
    return address.kombu_url if for_kombu else address.url


def tls_options(text: str, ca_file: str) -> dict[str, Any]:
    """Return the options of a client that verifies the certificate and the host name of `rediss://`.

    `ca_file` has the certificates of private authorities; without it, those of the system count.
    """
    if _scheme(text) != "rediss":
        return {}
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "ssl_ca_certs": ca_file or None,
    }


def _quoted(path: str) -> str:
    """Encode in a path only what would end it. Flower decodes no path."""
    return path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def _scheme(text: str) -> str:
    return text.partition("://")[0].lower()


def _refuse_several_servers(scheme: str, text: str) -> None:
    if "sentinel" in scheme:
        raise InvalidAddress(f"is an address of Redis Sentinel. {_ONE_SERVER}")
    if "cluster" in scheme:
        raise InvalidAddress(f"is an address of Redis Cluster. {_ONE_SERVER}")
    servers = text.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if scheme in _SCHEMES and ("," in servers or ";" in servers):
        raise InvalidAddress(f"names several servers. {_ONE_SERVER}")


def _socket(parts: SplitResult, *, user: str, password: str) -> Address:
    path, number = unquote(parts.path), ""
    if parts.hostname or not path.startswith("/"):
        raise InvalidAddress("needs the whole path of a socket, with three slashes: unix:///run/redis.sock.")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _DATABASE:
            raise InvalidAddress(_NO_PARAMETERS)
        number = value
    return Address(scheme="unix", path=path, user=user, password=password, database=_database(number))


def _database(number: str) -> int:
    if number and not (number.isascii() and number.isdigit()):
        raise InvalidAddress("must end with the number of a database, such as /3, or with none.")
    return int(number or 0)


def _check_parameter(name: str, value: str) -> None:
    """Refuse every parameter but the one that Celery asks for, which says what is always done."""
    if name == "ssl_cert_reqs" and value in _VERIFIED:
        return
    raise InvalidAddress(_NO_TLS_PARAMETERS if name.startswith("ssl_") else _NO_PARAMETERS)
