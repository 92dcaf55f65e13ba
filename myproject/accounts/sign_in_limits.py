"""Wrong passwords are counted by login and network together, so that no stranger locks a person out.

- From one network, `login_failed` allows five wrong passwords in five minutes for each login.
- From all networks in which the person has not signed in, `login_failed_elsewhere` allows a hundred an hour
  for each login. It bounds an attack from many networks. The person's own networks stay open.

A network is an IPv4 address or the /64 of an IPv6 address.
"""

from typing import Any

from allauth.account.utils import filter_users_by_email, filter_users_by_username
from allauth.core.internal.ratelimit import truncate_ip
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.http import HttpRequest

# Seconds for which a network stays known after a sign-in. It is kept in the cache.
_KNOWN_SECONDS = 90 * 24 * 3600


def network_of(request: HttpRequest) -> str:
    """Return the network of a request. The web server sets its address, and trusts only a proxy's header."""
    return str(truncate_ip(request.META.get("REMOTE_ADDR", "")))


def remember_network(request: HttpRequest, person: AbstractBaseUser) -> None:
    """Note that a person has signed in, or has opened a reset mail, in this network."""
    cache.set(_key(request, person), True, _KNOWN_SECONDS)


def is_known(request: HttpRequest, credentials: dict[str, Any]) -> bool:
    """Return whether everyone whom this login may mean has signed in from this network.

    A user name can look like another person's address. So one person's networks never count for another.
    """
    name, email = credentials.get("username"), credentials.get("email")
    people = [
        *(filter_users_by_username(name) if name else ()),
        *(filter_users_by_email(email) if email else ()),
    ]
    return bool(people) and all(cache.get(_key(request, person)) for person in people)


def _key(request: HttpRequest, person: AbstractBaseUser) -> str:
    return f"sign-in-network:{person.pk}:{network_of(request)}"
