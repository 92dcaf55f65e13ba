"""The safety of URLs that people supply: http(s) only, and no address of the private network."""

import ipaddress
import re
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

# The maximum length of a URL.
MAX_LENGTH = 2000
_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_NEVER = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments; one of them is a cloud's metadata service
        "168.63.129.16/32",  # Azure's platform services, reachable only from its machines
        "192.88.99.0/24",  # 6to4 relays
        "2002::/16",  # 6to4: an embedded IPv4 address
        "64:ff9b::/96",  # NAT64: also an embedded IPv4 address
        "3fff::/20",  # documentation; older Python versions do not know it
        "fec0::/10",  # IPv6's deprecated site-local addresses
    )
]


class InvalidURL(ValueError):
    """A URL that nothing is ever sent to; the text gives the reason."""


def check_url(url: str, *, private_allowed: bool) -> None:
    """Raise `InvalidURL` if a URL is not http(s), or is obviously on the private network.

    A host name is resolved and checked only when a request is sent.
    """
    host = split_url(url).hostname or ""
    if not private_allowed and (_is_private_literal(host) or host.rstrip(".").endswith("localhost")):
        raise InvalidURL(_("%(host)s is not on the public internet. Enter a public URL.") % {"host": host})


def split_url(url: str) -> SplitResult:
    """Return the parts of an http(s) URL; raise `InvalidURL` for anything else."""
    with suppress(ValueError):
        parts = urlsplit(url)
        complete = parts.hostname and parts.port != 0 and parts.username is None
        if complete and len(url) <= MAX_LENGTH and _URL.fullmatch(url):
            return parts
    raise InvalidURL(
        _("Enter a URL such as https://example.com/hook: http or https, without a password, in ASCII.")
    )


def port_of(parts: SplitResult) -> int:
    """Return the URL's port, or the default of its scheme."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def is_public(address: str) -> bool:
    """Return whether an IP address is public; reject special ranges and embedded IPv4 addresses."""
    ip = ipaddress.ip_address(address)
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _NEVER)
    return ip.is_global and not special


def _is_private_literal(host: str) -> bool:
    with suppress(ValueError):
        return not is_public(host)
    return False
