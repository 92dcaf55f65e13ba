"""The refusals of Amazon S3 that local servers do not give, for `tests.faults.proxy`.

Their codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

# Amazon refuses a request that was signed this long before or after.
MOST_SKEW = timedelta(minutes=15)


def refusal(head: bytes, status: int, code: str) -> bytes:
    """Return an answer with this status and code; that to a HEAD request has no body, hence no code."""
    body = f"<Error><Code>{code}</Code><Message>{code}!</Message></Error>".encode()
    lines = [
        f"HTTP/1.1 {status} Refused",
        "Content-Type: application/xml",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head.startswith(b"HEAD") else body)


def always(status: int, code: str) -> Callable[[bytes], bytes]:
    """Return the rule that refuses every request."""
    return lambda head: refusal(head, status, code)


def header(head: bytes, name: str) -> str:
    """Return a header of a request, or ""."""
    found = re.search(rf"(?im)^{re.escape(name)}: *([^\r]*)".encode(), head)
    return found[1].decode() if found else ""


def no_acl(head: bytes) -> bytes:
    """Refuse ACLs, as a bucket whose owner owns every object does."""
    return refusal(head, 400, "AccessControlListNotSupported") if header(head, "x-amz-acl") else b""


def skewed_by(time: timedelta) -> Callable[[bytes], bytes]:
    """Return the rule of a server whose clock is ahead by this time."""

    def rule(head: bytes) -> bytes:
        signed = datetime.strptime(header(head, "x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        skew = abs(datetime.now(UTC) + time - signed)
        return refusal(head, 403, "RequestTimeTooSkewed") if skew > MOST_SKEW else b""

    return rule


def expired(*tokens: str) -> Callable[[bytes], bytes]:
    """Return the rule that refuses these session tokens."""

    def rule(head: bytes) -> bytes:
        return refusal(head, 400, "ExpiredToken") if header(head, "x-amz-security-token") in tokens else b""

    return rule


def list_only_below(prefix: str, bucket: Path) -> Callable[[bytes], bytes]:
    """Return the rule of a policy that allows every action below a prefix, which lists nothing if it is None.

    `bucket` is the folder of the server's objects. S3 answers a request for a missing object with 403 then.
    """

    def rule(head: bytes) -> bytes:
        method, target, _ = head.split(b" ", 2)
        parts = urlsplit(target.decode())
        key = unquote(parts.path).removeprefix(f"/{bucket.name}").removeprefix("/")
        if not key:
            wanted = parse_qs(parts.query).get("prefix", [""])[0]
            allowed = method == b"GET" and bool(prefix) and wanted.startswith(prefix)
        else:
            allowed = key.startswith(prefix) and (method not in {b"GET", b"HEAD"} or (bucket / key).is_file())
        return b"" if allowed else refusal(head, 403, "AccessDenied")

    return rule


def denied(*actions: str) -> Callable[[bytes], bytes]:
    """Return the rule that refuses the methods of these actions on objects, such as "PUT"."""

    def rule(head: bytes) -> bytes:
        method, target, _ = head.split(b" ", 2)
        on_object = "/" in urlsplit(target.decode()).path.strip("/")
        return refusal(head, 403, "AccessDenied") if on_object and method.decode() in actions else b""

    return rule


def all_of(*rules: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return the rule that refuses what one of the rules refuses."""
    return lambda head: next((answer for rule in rules if (answer := rule(head))), b"")
