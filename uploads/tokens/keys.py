"""The keys of tokens: how they are made, and how they are stored."""

import hashlib
import secrets

# 160 random bits in 40 hexadecimal digits, like the keys of Django REST framework.
_BYTES = 20
# The number of digits that lists show, so that a person recognises a key. The other 128 bits stay secret.
_SHOWN = 8


def new_key() -> str:
    """Return a new random key."""
    return secrets.token_hex(_BYTES)


def digest_of(key: str) -> str:
    """Return the SHA-256 of a key, in 64 hexadecimal digits. Only this is stored.

    A plain digest is enough: a key has 160 random bits, so an attacker cannot try them all. A slow hash with
    a salt protects passwords, because people choose those, and would slow down each request here.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def prefix_of(key: str) -> str:
    """Return the beginning of a key, as lists show it."""
    return key[:_SHOWN]
