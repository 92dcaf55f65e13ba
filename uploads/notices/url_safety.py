"""Addresses that people name: http(s) only, and none of the own network."""

import ipaddress
import re
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

# Characters that an address may have.
MAX_LENGTH = 2000
_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_NEVER = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocols' own; one of them is a cloud's metadata
        "168.63.129.16/32",  # Azure's own services, reachable from its machines alone
        "192.88.99.0/24",  # relays of 6to4
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "64:ff9b::/96",  # NAT64: another one
        "3fff::/20",  # for documentation; Python learns of it later
        "fec0::/10",  # IPv6's former private addresses
    )
]


class InvalidAddress(ValueError):
    """An address that nothing is ever sent to; the text says why."""


def check_address(url: str, *, private_allowed: bool) -> None:
    """Raise `InvalidAddress` for what is no http(s) address, or plainly one of the own network.

    What a name stands for is only known, and checked, when something is sent.
    """
    host = split_address(url).hostname or ""
    if not private_allowed and (_is_private_literal(host) or host.rstrip(".").endswith("localhost")):
        raise InvalidAddress(_("%(host)s is not an address of the public internet.") % {"host": host})


def split_address(url: str) -> SplitResult:
    """Return the parts of an http(s) address; raise `InvalidAddress` for anything else."""
    with suppress(ValueError):
        parts = urlsplit(url)
        complete = parts.hostname and parts.port != 0 and parts.username is None
        if complete and len(url) <= MAX_LENGTH and _URL.fullmatch(url):
            return parts
    raise InvalidAddress(
        _("Give an address such as https://example.com/hook: http or https, without a password, in ASCII.")
    )


def port_of(parts: SplitResult) -> int:
    """Return the port that an address means."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet, and not one in disguise."""
    ip = ipaddress.ip_address(address)
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _NEVER)
    return ip.is_global and not special


def _is_private_literal(host: str) -> bool:
    with suppress(ValueError):
        return not is_public(host)
    return False
