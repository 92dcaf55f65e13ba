"""Correlation: the ids by which all log lines about one request are found, in every process.

A request, or the task of a message, sets them. Rows of work that is published later keep the id of their
request.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace

# The length of the longest id, which columns keep.
LONGEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """The ids of the request that caused the current work, and of the upload that it is about, or ""."""

    request_id: str = ""
    upload_id: str = ""


_NONE = Correlation()
_current: ContextVar[Correlation] = ContextVar("correlation")


def current() -> Correlation:
    """Return the ids of the current work."""
    return _current.get(_NONE)


def request_id() -> str:
    """Return the id of the request that caused the current work, or ""."""
    return current().request_id


def new_request_id() -> str:
    """Return an id for a new request."""
    return secrets.token_hex(16)


def begin(correlation: Correlation) -> Token[Correlation]:
    """Set the ids of the work that begins; `end` takes the result."""
    return _current.set(correlation)


def end(token: Token[Correlation]) -> None:
    """Set the ids again that were current before."""
    _current.reset(token)


def about_upload(upload_id: object) -> None:
    """Note which upload the current work is about."""
    _current.set(replace(current(), upload_id=str(upload_id)))


@contextmanager
def carried(*, request_id: str, upload_id: object) -> Iterator[None]:
    """Let the messages that the body of the `with` statement publishes carry these ids.

    Without a request id, they carry the current one.
    """
    token = begin(Correlation(request_id=request_id or current().request_id, upload_id=str(upload_id or "")))
    try:
        yield
    finally:
        end(token)
